import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

const root = new URL("../..", import.meta.url).pathname;

/** The code of one section of docs/clients.md, as it is written there. */
export interface Example {
  /** Contents by file name. */
  readonly files: ReadonlyMap<string, string>;
  /** The shell commands that run it; empty for a page. */
  readonly run: string;
}

/** Reads the fenced blocks below a heading: a file name after the language makes a file, the word "run" makes commands. */
export async function readExample(heading: string): Promise<Example> {
  const page = await readFile(join(root, "docs/clients.md"), "utf8");
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`docs/clients.md has no section "${heading}"`);
  const files = new Map<string, string>();
  let run = "";
  for (const [, name = "", code = ""] of section.matchAll(/^```\w+ ([\w.]+)\n([\s\S]*?)^```$/gm)) {
    if (name === "run") run = code;
    else files.set(name, code);
  }
  return { files, run };
}

/** Writes an example to a directory that has the generated code and the packages, as a user's project has. */
export async function writeExample({ files }: Example, directory: string): Promise<void> {
  for (const name of ["gen", "node_modules"]) await symlink(join(root, name), join(directory, name));
  await writeFile(join(directory, "package.json"), '{"type": "module"}\n');
  for (const [name, code] of files) await writeFile(join(directory, name), code);
}
