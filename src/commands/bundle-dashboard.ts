/** Part of `npm run generate`: bundles the dashboard into gen/dashboard, whose files the server serves as they are. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { slimDescriptors } from "./slim-descriptors.ts";

const root = new URL("../..", import.meta.url).pathname;
const source = join(root, "src/dashboard");
const target = join(root, "gen/dashboard");

/** Returns a file name that changes with the content, so that browsers may keep the file for good. */
function hashedName(name: string, extension: string, content: Uint8Array): string {
  return `${name}-${createHash("sha256").update(content).digest("hex").slice(0, 10)}.${extension}`;
}

/** Bundles a script or a style sheet, with everything that it imports. */
async function bundle(file: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [join(source, file)],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    write: false,
    logLevel: "warning",
    plugins: [slimDescriptors],
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error(`esbuild made nothing of ${file}`);
  return output.contents;
}

const parts = {
  script: { name: "main", extension: "js", content: await bundle("main.ts") },
  style: { name: "style", extension: "css", content: await bundle("style.css") },
  icon: { name: "icon", extension: "svg", content: await readFile(join(source, "icon.svg")) },
} as const;

await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
let page = await readFile(join(source, "page.html"), "utf8");
for (const [placeholder, { name, extension, content }] of Object.entries(parts)) {
  const file = hashedName(name, extension, content);
  await writeFile(join(target, file), content);
  // Relative to /dashboard, so that a reverse proxy can put the server below a path.
  page = page.replaceAll(`{${placeholder}}`, `dashboard/${file}`);
}
await writeFile(join(target, "page.html"), page);
