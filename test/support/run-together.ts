import { globSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const root = new URL("../../", import.meta.url).pathname;
const require = createRequire(import.meta.url);

/** Adds all tests of a folder to this process. All files are loaded at once, so that no test waits for the loading of a later file. */
export function runTogether(folder: string): void {
  for (const file of globSync(`test/${folder}/**/*.test.ts`, { cwd: root }).sort()) require(join(root, file));
}
