import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { DashboardPage } from "./dashboard-page.ts";

const axe = await readFile(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");

/** Violations that axe-core finds in the page as it is now. */
export async function violationsIn({ page }: DashboardPage): Promise<string[]> {
  await page.evaluate(axe);
  const found = (await page.evaluate("axe.run()")) as { violations: { id: string; nodes: { html: string }[] }[] };
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}
