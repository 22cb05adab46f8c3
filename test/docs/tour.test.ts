import assert from "node:assert/strict";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";

const root = new URL("../..", import.meta.url).pathname;
const outsideOfSrc = /^(?:src|proto|test|docs|gen)\//;
/** A file, or a folder: with a slash, and without a place that the reader fills in. */
const pathForm = /^[\w.-]+(?:\/[\w.-]+)*(?:\/|\.(?:ts|md|proto))$/;

/** The paths that a tour names in backticks, from the root. */
function pathsIn(tour: string): string[] {
  const prose = tour.replace(/^```[\s\S]*?^```$/gm, "");
  const named = Array.from(prose.matchAll(/`([^`\s]+)`/g), ([, text = ""]) => text);
  return named.filter((text) => pathForm.test(text)).map((path) => (outsideOfSrc.test(path) ? path : `src/${path}`));
}

async function isMissing(path: string): Promise<boolean> {
  return access(join(root, path)).then(
    () => false,
    () => true,
  );
}

describe("tour of the code", () => {
  it("names only files and folders that exist", async () => {
    const paths = pathsIn(await readFile(join(root, "src/README.md"), "utf8"));
    assert.ok(paths.length > 50);
    const missing: string[] = [];
    for (const path of paths) if (await isMissing(path)) missing.push(path);
    assert.deepEqual(missing, []);
  });
});
