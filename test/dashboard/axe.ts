import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Page } from "puppeteer";
import type { DashboardPage } from "./dashboard-page.ts";

const axe = await readFile(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");

/** Violations that axe-core finds in the page as it is now. */
export async function violationsIn({ page }: DashboardPage): Promise<string[]> {
  await page.evaluate(axe);
  const found = (await page.evaluate("axe.run()")) as { violations: { id: string; nodes: { html: string }[] }[] };
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

/** A screen on which every view is tried. */
export interface Screen {
  readonly name: string;
  /** Makes a tab look as on this screen. Called before the page loads. */
  apply(page: Page): Promise<void>;
}

const screen = (name: string, scheme: "light" | "dark", width: number, height: number): Screen => ({
  name,
  async apply(page) {
    await page.setViewport({ width, height });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  },
});

export const screens: readonly Screen[] = [
  screen("light", "light", 1280, 800),
  screen("dark", "dark", 1280, 800),
  screen("phone", "light", 390, 844),
];
