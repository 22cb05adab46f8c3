import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, it } from "node:test";

const root = resolve(import.meta.dirname, "..");
const maxLines = 400;

interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  /** As written. */
  readonly text: string;
  /** Without comments; what stands in quotes is left out too. */
  readonly code: string;
  /** Imports: paths from the root for files, names for packages. */
  readonly imports: readonly string[];
}

// A regular expression can hold quotes, so it is taken for one token: after what cannot end a value.
const token =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`|(?<=(?:[(,=:[!&|?{};+~]|=>|return)\s*)\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\//g;
const isComment = (text: string) => text.startsWith("//") || text.startsWith("/*");

function read(path: string): SourceFile {
  const text = readFileSync(join(root, path), "utf8");
  const uncommented = text.replace(token, (found) => (isComment(found) ? " " : found));
  const code = text.replace(token, (found) => (isComment(found) ? " " : '""'));
  return { path, text, code, imports: importsOf(path, uncommented) };
}

const importForms = [
  /(?:^|;)\s*(?:import|export)\b[^;"'`]*?\bfrom\s*["']([^"']+)["']/gm,
  /(?:^|;)\s*import\s*["']([^"']+)["']/gm,
  /\bimport\(\s*["']([^"']+)["']/g,
];

function importsOf(path: string, code: string): string[] {
  const names = importForms.flatMap((form) => [...code.matchAll(form)].map((match) => match[1] ?? ""));
  return names.map((name) => (name.startsWith(".") ? relative(root, resolve(root, dirname(path), name)) : name));
}

function filesOf(folder: string): SourceFile[] {
  return globSync(`${folder}/**/*.{ts,js,mjs,cjs,mts,cts}`, { cwd: root }).sort().map(read);
}

const src = filesOf("src");
const all = [...src, ...filesOf("test")];

/** A place in src, whose files it holds, and what these may import. */
interface Layer {
  readonly name: string;
  readonly files: RegExp;
  readonly mayImport: readonly RegExp[];
}

const generated = /^gen\//;
const protobuf = /^@bufbuild\/protobuf(\/|$)/;
const layer = (name: string, files: RegExp, ...mayImport: RegExp[]): Layer => ({ name, files, mayImport });
const pure = [generated, protobuf, /^src\/domain\//];

/** A technology's own library, or Node's. The layers' own packages are not among them. */
const library = /^(?!\.|src\/|gen\/|test\/|@connectrpc\/)/;

const embeddedRoom = [/^src\/adapters\/embedded\//];
const engineRoom = [/^src\/adapters\/engine\//];
const sharedRooms: Readonly<Record<string, readonly RegExp[]>> = {
  level: embeddedRoom,
  memory: embeddedRoom,
  postgres: embeddedRoom,
  baileys: engineRoom,
  wwebjs: engineRoom,
};

function adapterLayer(name: string): Layer {
  const folder = `src/adapters/${name}/`;
  const own = new RegExp(`^${folder}`);
  const open = [generated, library, /^src\/(domain|ports)\//, own];
  // Code shared by the two embedded backends is a room of its own, free of any technology.
  // So is what the two engines have in common.
  if (["embedded", "engine"].includes(name)) return layer(folder, own, ...pure, /^src\/ports\//, own);
  return layer(folder, own, ...open, ...(sharedRooms[name] ?? []));
}

const adapterNames = new Set(src.flatMap(({ path }) => /^src\/adapters\/([^/]+)\//.exec(path)?.[1] ?? []));

/** "Who may import whom" of the architecture. */
const layers: readonly Layer[] = [
  layer("domain", /^src\/domain\//, ...pure),
  layer("ports", /^src\/ports\//, generated, /^src\/(domain|ports)\//),
  layer("app", /^src\/app\//, ...pure, /^src\/(ports|app)\//),
  layer("api", /^src\/api\//, ...pure, /^@connectrpc\/connect$/, /^src\/(ports|app|api)\//),
  layer(
    "http",
    /^src\/http\/(?!openapi\/protoc-gen)/,
    // The vocabulary of annotations, which names no service.
    /^gen\/(google|sessiond\/api)\//,
    protobuf,
    /^@connectrpc\//,
    /^node:/,
    /^src\/http\//,
  ),
  // Run by buf, not by the server.
  layer(
    "the protoc plugin",
    /^src\/http\/openapi\/protoc-gen-openapi\.ts$/,
    protobuf,
    /^@bufbuild\/protoplugin$/,
    /^package\.json$/,
    /^src\/http\/openapi\//,
  ),
  // A client in a browser: it knows the API and nothing of the server.
  layer(
    "dashboard",
    /^src\/dashboard\//,
    generated,
    protobuf,
    /^@connectrpc\/connect(-web)?$/,
    /^(preact(\/hooks)?|htm\/preact|@preact\/signals)$/,
    /^src\/dashboard\//,
  ),
  layer("config", /^src\/config\//, ...pure, /^node:(crypto|net|os)$/, /^src\/config\//),
  // esbuild bundles the dashboard while gen is made.
  layer(
    "commands",
    /^src\/commands\//,
    /^src\/(adapters|commands|config|ports)\//,
    protobuf,
    /^node:/,
    /^esbuild$/,
    /^package\.json$/,
  ),
  layer("server.ts", /^src\/server(\.ts$|\/)/, /./),
  layer(
    "main.ts",
    /^src\/main\.ts$/,
    /^src\/(config|commands)\//,
    /^src\/(compile-cache\.js|server\.ts|server\/node-http\.ts)$/,
    /^node:/,
  ),
  layer("compile-cache.js", /^src\/compile-cache\.js$/, /^node:/),
  ...Array.from(adapterNames, adapterLayer),
];

/** Every place where `pattern` stands in a file's code, as "path:line". */
const placesOf = (files: readonly SourceFile[], pattern: RegExp) =>
  files.flatMap(({ path, code }) =>
    code.split("\n").flatMap((line) => (pattern.test(line) ? [`${path}: ${line.trim()}`] : [])),
  );

describe("the architecture", () => {
  it("every source file belongs to a layer", () => {
    assert.ok(src.length > 0);
    assert.deepEqual(
      src.filter(({ path }) => !layers.some(({ files }) => files.test(path))).map(({ path }) => path),
      [],
    );
  });

  for (const { name, files, mayImport } of layers) {
    it(`${name} imports what it may, and nothing else`, () => {
      const wrong = src
        .filter(({ path }) => files.test(path))
        .flatMap(({ path, imports }) =>
          imports.filter((target) => !mayImport.some((allowed) => allowed.test(target))).map((to) => `${path} → ${to}`),
        );
      assert.deepEqual(wrong, []);
    });
  }

  it("the sources import neither tests nor what a computed name leads to", () => {
    const toTests = src.filter(({ imports }) => imports.some((target) => target.startsWith("test/")));
    assert.deepEqual(
      toTests.map(({ path }) => path),
      [],
    );
    assert.deepEqual(placesOf(src, /\bimport\((?!\s*""\s*\))/), []);
  });

  it("only the configuration reads the environment", () => {
    const elsewhere = src.filter(({ path }) => !path.startsWith("src/config/"));
    assert.deepEqual(placesOf(elsewhere, /\bprocess\s*(\?\.|\.)\s*env\b|\bprocess\[|\benv\b.*=\s*process\b/), []);
    const byImport = elsewhere.filter(({ imports, code }) => imports.includes("node:process") && /\benv\b/.test(code));
    assert.deepEqual(
      byImport.map(({ path }) => path),
      [],
    );
  });

  it("the domain has no clock, no randomness and no promises", () => {
    const domain = src.filter(({ path }) => path.startsWith("src/domain/"));
    assert.deepEqual(
      placesOf(domain, /\bDate\b|\bperformance\b|\bMath\.random\b|\bsetTimeout\b|\basync\b|\bPromise\b/),
      [],
    );
  });

  it("ports hold types and contracts; the only code in them is errors", () => {
    const ports = src.filter(({ path }) => path.startsWith("src/ports/"));
    assert.deepEqual(placesOf(ports, /\bfunction\b|^\s*(export\s+)?(const|let)\b|\bclass (?!\w+ extends Error\b)/), []);
  });

  it("no imports go round in a circle", () => {
    const importsByPath = new Map(src.map(({ path, imports }) => [path, imports]));
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (path: string, way: readonly string[]): void => {
      if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(" → "));
      if (done.has(path) || way.includes(path)) return;
      for (const next of importsByPath.get(path) ?? []) visit(next, [...way, path]);
      done.add(path);
    };
    for (const path of importsByPath.keys()) visit(path, []);
    assert.deepEqual(circles, []);
  });

  it("nothing switches the type checker off", () => {
    const anyType = /(?::|\bas|<|\bis)\s*any\b(?!\s*[?:(])|\bany\[\]|[,|&]\s*any\s*>/;
    assert.deepEqual(placesOf(all, anyType), []);
    // In two parts, so that this file is not found.
    const pragma = new RegExp(`@ts-${"(ignore|expect-error|nocheck)"}`);
    assert.deepEqual(
      all.filter(({ text }) => pragma.test(text)).map(({ path }) => path),
      [],
    );
  });

  it("there are no enums and no namespaces", () => {
    assert.deepEqual(placesOf(all, /^\s*(?:export\s+|declare\s+|const\s+)*(?:enum|namespace)\s+\w/), []);
  });

  it("a file can be read at a sitting, and none is a barrel", () => {
    const long = all.filter(({ text }) => text.trimEnd().split("\n").length > maxLines);
    assert.deepEqual(
      long.map(({ path }) => path),
      [],
    );
    assert.deepEqual(
      all.filter(({ path }) => /(^|\/)index\.\w+$/.test(path)).map(({ path }) => path),
      [],
    );
    assert.deepEqual(placesOf(all, /^\s*export\s*\*/), []);
  });

  it("npm test runs each test file once", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const patterns = Array.from(String(scripts.test).matchAll(/"([^"]+)"/g), ([, pattern = ""]) => pattern);
    const files = globSync(patterns, { cwd: root }).flatMap((path) => {
      const [, folder] = /^test\/together\/(\w+)\.ts$/.exec(path) ?? [];
      return folder === undefined ? [path] : globSync(`test/${folder}/**/*.test.ts`, { cwd: root });
    });
    assert.deepEqual(files.sort(), globSync("test/**/*.test.ts", { cwd: root }).sort());
  });
});
