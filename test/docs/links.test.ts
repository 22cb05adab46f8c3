import assert from "node:assert/strict";
import { glob, readFile, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { describe, it } from "node:test";
import { collect } from "../support/async-items.ts";

const root = new URL("../..", import.meta.url).pathname;

interface Link {
  readonly page: string;
  readonly path: string;
  readonly anchor: string;
}

async function pages(): Promise<string[]> {
  return collect(glob(["*.md", "docs/**/*.md", "src/*.md", "test/*/*.md"], { cwd: root }));
}

/** Without code, whose brackets are no links. */
const proseOf = async (page: string) => (await readFile(join(root, page), "utf8")).replace(/^```[\s\S]*?^```$/gm, "");

async function linksIn(page: string): Promise<Link[]> {
  const targets = (await proseOf(page)).matchAll(/\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)/g);
  return Array.from(targets, ([, to = "", anchor = ""]) => {
    const path = to === "" ? page : relative(root, join(root, dirname(page), to));
    return { page, path, anchor };
  });
}

/** Anchors as GitHub makes them of headings. */
async function anchorsIn(page: string): Promise<string[]> {
  const headings = (await proseOf(page)).matchAll(/^#+ (.+)$/gm);
  return Array.from(headings, ([, text = ""]) =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

async function isBroken({ path, anchor }: Link): Promise<boolean> {
  const found = await stat(join(root, path)).catch(() => undefined);
  if (!found) return true;
  return anchor !== "" && !(await anchorsIn(path)).includes(anchor);
}

describe("documentation", () => {
  it("has links that lead to files and headings of the repository", async () => {
    const links = (await Promise.all((await pages()).map(linksIn))).flat();
    assert.ok(links.length > 0);
    const broken: string[] = [];
    for (const link of links) if (await isBroken(link)) broken.push(`${link.page}: ${link.path}#${link.anchor}`);
    assert.deepEqual(broken, []);
  });

  it("lists every decision in its index", async () => {
    const index = await readFile(join(root, "docs/decisions/README.md"), "utf8");
    const records = await collect(glob("[0-9]*.md", { cwd: join(root, "docs/decisions") }));
    assert.deepEqual(
      records.filter((name) => !index.includes(`(${name})`)),
      [],
    );
  });

  it("has lines of at most 140 characters", async () => {
    const long: string[] = [];
    // The rows of a generated table cannot be wrapped.
    const written = (await pages()).filter((page) => page.startsWith("docs/") && page !== "docs/configuration.md");
    for (const page of written) {
      const lines = (await readFile(join(root, page), "utf8")).split("\n");
      for (const [index, line] of lines.entries()) if (line.length > 140) long.push(`${page}:${index + 1}`);
    }
    assert.deepEqual(long, []);
  });
});
