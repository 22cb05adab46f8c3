import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { openMemoryBackend } from "../../../src/adapters/memory/backend.ts";
import { hashedKey } from "../../../src/adapters/node/api-key.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { NodeTable } from "../../support/node-table.ts";
import { startServer } from "../../support/server.ts";

/** A cluster whose nodes have directories of their own, and make a key if they have none. */
async function openCluster(t: TestContext) {
  const clock = new FakeClock();
  const table = new NodeTable(openMemoryBackend({ clock }));
  const shown: string[] = [];
  const write = process.stdout.write.bind(process.stdout);
  t.mock.method(process.stdout, "write", (...[text, ...more]: Parameters<typeof write>) => {
    const [key] = /^ {2}[0-9a-f]{64}$/m.exec(String(text)) ?? [];
    if (key === undefined) return write(text, ...more);
    shown.push(key.trim());
    for (const done of more) if (typeof done === "function") done();
    return true;
  });
  const openDirectory = async () => {
    const directory = await mkdtemp(join(tmpdir(), "sessiond-key-"));
    t.after(() => rm(directory, { recursive: true, force: true }));
    return directory;
  };
  const start = async (name: string, directory?: string) => {
    const base = directory ?? (await openDirectory());
    const env = { SESSIOND_HOST: "0.0.0.0", WAHA_LOCAL_STORE_BASE_DIR: base };
    const { url } = await startServer(t, env, { clock, backend: table.backendOf(name) });
    const { port } = new URL(url);
    const accepts = async (key: string) => {
      const res = await fetch(`http://127.0.0.1:${port}/api/sessions`, { headers: { "x-api-key": key } });
      return res.status === 200;
    };
    return { directory: base, accepts };
  };
  return { shown, start, openDirectory };
}

describe("the API key that a cluster makes for itself", () => {
  it("is the same for nodes that start together, and all of them accept it", async (t) => {
    const { shown, start } = await openCluster(t);
    const nodes = await Promise.all(["a", "b", "c"].map((name) => start(name)));
    assert.equal(new Set(shown).size, 1);
    const [key = ""] = shown;
    for (const { accepts } of nodes) assert.deepEqual([await accepts(key), await accepts("")], [true, false]);
  });

  it("is shown at the first start only, and accepted by nodes that come later", async (t) => {
    const { shown, start } = await openCluster(t);
    const { directory } = await start("a");
    const later = [await start("b"), await start("a", directory)];
    assert.equal(shown.length, 1);
    for (const { accepts } of later) assert.ok(await accepts(shown[0] ?? ""));
    assert.deepEqual(
      (await readdir(directory)).filter((name) => name.includes("key")),
      [],
    );
  });

  it("is the one that the first node had before it joined", async (t) => {
    const { shown, start, openDirectory } = await openCluster(t);
    const directory = await openDirectory();
    const former = "5".repeat(64);
    await writeFile(join(directory, "api-key.sha512"), hashedKey(former));
    const nodes = [await start("a", directory), await start("b")];
    assert.deepEqual(shown, []);
    for (const { accepts } of nodes) assert.ok(await accepts(former));
  });
});
