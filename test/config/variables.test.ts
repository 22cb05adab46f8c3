import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { readConfig } from "../../src/config/config.ts";
import { configurationPage } from "../../src/config/page.ts";
import type { Variable } from "../../src/config/variable.ts";
import { variables } from "../../src/config/variables.ts";

const root = resolve(import.meta.dirname, "../..");
const table: readonly (readonly [name: string, variable: Variable<unknown>])[] = Object.entries(variables);
const textOf = (file: string) => readFileSync(join(root, file), "utf8");
const pages = [
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "src/README.md",
  ...globSync("docs/**/*.md", { cwd: root }),
];

/** Variables of tests and of the clients in docs/clients.md. */
const isForeign = (name: string) => /^SESSIOND_(TEST_\w+|URL|KEY)$|^WAHA_(BASE_URL|SUITE_\w+)$/.test(name);

describe("the table of variables", () => {
  for (const file of pages) {
    it(`has every variable that ${file} names`, () => {
      const named = textOf(file).match(/\b(?:SESSIOND|WAHA|WHATSAPP)_[A-Z0-9_]*[A-Z0-9]\b(?!_?[…*])/g) ?? [];
      const unknown = named.filter((name) => !Object.hasOwn(variables, name) && !isForeign(name));
      assert.deepEqual(unknown, []);
    });
  }

  it("has every variable that the Dockerfile sets", () => {
    const named = textOf("Dockerfile").match(/\b(?:SESSIOND|WAHA|WHATSAPP)_\w+(?==)/g) ?? [];
    assert.ok(named.length > 0);
    assert.deepEqual(
      named.filter((name) => !Object.hasOwn(variables, name)),
      [],
    );
  });

  it("is documented in docs/configuration.md, which `npm run generate` writes", () => {
    assert.equal(textOf("docs/configuration.md"), configurationPage());
    for (const [name, { isHidden }] of table) {
      assert.equal(configurationPage().includes(`\`${name}\``), !isHidden, name);
    }
  });

  it("has a description for every variable, and an existing one behind every alias", () => {
    for (const [name, { description, aliasOf }] of table) {
      if (aliasOf === undefined) assert.match(description, /\.$/, name);
      else assert.ok(Object.hasOwn(variables, aliasOf), name);
    }
  });

  it("has no variable that nothing reads", async () => {
    const read = new Set<string>();
    const env = new Proxy<Record<string, string>>(
      { WHATSAPP_HOOK_URL: "https://hook.example" },
      {
        get: (target, name: string) => {
          read.add(name);
          return target[name];
        },
      },
    );
    await readConfig(() => Promise.reject(new Error("no file is read")), env);
    const unread = table.filter(([name, { isReadElsewhere }]) => !isReadElsewhere && !read.has(name));
    assert.deepEqual(
      unread.map(([name]) => name),
      [],
    );
  });
});

describe("a variable that sessiond does not have", () => {
  const rows: readonly (readonly [name: string, value: string, nearest: string | undefined])[] = [
    ["SESSIOND_HOTS", "0.0.0.0", "SESSIOND_HOST"],
    ["SESSIOND_TLS_CERT_FIEL", "/cert.pem", "SESSIOND_TLS_CERT_FILE"],
    ["SESSIOND_MAX_STREAM", "1", "SESSIOND_MAX_STREAMS"],
    ["SESSIOND_EVENT_LOG_MAX_AGE", "7", undefined],
    ["SESSIOND_PORT", "8080", "PORT"],
    ["SESSIOND_LOG_LEVEL", "debug", "WAHA_LOG_LEVEL"],
    ["SESSIOND_HOOK_URL", "http://x", "WHATSAPP_HOOK_URL"],
    ["SESSIOND_FLAVOUR", "vanilla", undefined],
  ];
  for (const [name, value, nearest] of rows) {
    it(`${name} is warned about${nearest ? `, with ${nearest} as the nearest` : ""}`, async () => {
      const { config } = await readConfig(() => Promise.reject(new Error("no file is read")), { [name]: value });
      const [warning, ...more] = config.warnings;
      assert.deepEqual([warning?.variable, more], [name, []]);
      if (nearest !== undefined) assert.match(warning?.message ?? "", new RegExp(`did you mean ${nearest}\\?`));
      assert.ok(!warning?.message.includes(value));
    });
  }

  for (const [name, value] of [
    ["SESSIOND_PORT", "tcp://10.0.0.1:80"],
    ["SESSIOND_SERVICE_HOST", "10.0.0.1"],
    ["SESSIOND_SERVICE_PORT_HTTP", "80"],
    ["SESSIOND_PORT_80_TCP_ADDR", "10.0.0.1"],
    ["SESSIOND_HEADLESS_PORT_80_TCP", "tcp://10.0.0.1:80"],
    ["SESSIOND_TEST_KILLS", "1000"],
    ["SESSIOND_URL", "http://localhost:3000"],
    ["PATH_TO_SOMETHING", "x"],
  ] as const) {
    it(`${name}=${value} is somebody else's and gets no warning`, async () => {
      const { config } = await readConfig(() => Promise.reject(new Error("no file is read")), { [name]: value });
      assert.deepEqual(config.warnings, []);
    });
  }
});
