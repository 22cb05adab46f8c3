import assert from "node:assert/strict";
import { chmod, cp, mkdir, readdir, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { startWhatsApp } from "../emulator/whatsapp.ts";
import { Installation } from "./installation.ts";
import { RestClient } from "./rest-client.ts";
import { isRoot, namelessUid } from "./start.ts";

/** Faults of a cache that an installation already has. */
const faults: Readonly<Record<string, (it: Installation) => Promise<unknown>>> = {
  "files of zero bytes": async (it) => Promise.all((await it.cachedFiles()).map((file) => truncate(file))),
  "files that end too early": async (it) => Promise.all((await it.cachedFiles()).map((file) => truncate(file, 100))),
  "files with other bytes": async (it) =>
    Promise.all((await it.cachedFiles()).map((file) => writeFile(file, Buffer.alloc(4_096, 0x5a)))),
  "files of another Node version": async (it) => {
    for (const name of await readdir(it.cacheDirectory)) {
      await rename(join(it.cacheDirectory, name), join(it.cacheDirectory, name.replace(/^v\d+/, "v21")));
    }
  },
  "a file in place of its directory": async (it) => {
    await rm(it.cacheDirectory, { recursive: true });
    await writeFile(it.cacheDirectory, "");
  },
  "a link into nowhere in place of its directory": async (it) => {
    await rm(it.cacheDirectory, { recursive: true });
    await symlink("/nowhere/at/all", it.cacheDirectory);
  },
};

/** Starts a server, has it answer, and returns what it loaded. */
async function tryStart(installation: Installation, options: Parameters<Installation["start"]>[1] = {}) {
  const run = await installation.start({}, options);
  const { status } = await new RestClient(() => run.baseUrl).get("/api/sessions");
  const loads = await run.stop();
  assert.equal(status, 200);
  return loads;
}

describe("the compile cache", () => {
  const stack = new AsyncDisposableStack();
  after(() => stack.disposeAsync());
  let started: Installation;
  /** Copy of the cache that its first start has written. */
  const copy = () => join(started.directory, "cache");

  before(async () => {
    started = await Installation.create({ after: (remove) => stack.defer(remove) });
    await tryStart(started);
    await cp(started.cacheDirectory, copy(), { recursive: true });
  });

  it("spares the second start the stripping of types, even after kill -9", async (t) => {
    const installation = await Installation.create(t);
    const first = await installation.start();
    // It answers after it has written the cache.
    await new RestClient(() => first.baseUrl).get("/ping");
    await first.kill();
    assert.ok((await installation.cachedFiles()).length > 100);
    assert.equal((await tryStart(installation)).strippedTypes, false);
  });

  it("takes in libraries that are loaded later, while the server runs", async (t) => {
    const whatsapp = await startWhatsApp();
    t.after(() => whatsapp.close());
    const installation = await Installation.create(t);
    const run = await installation.start({ SESSIOND_NOWEB_URL: whatsapp.url });
    const rest = new RestClient(() => run.baseUrl);
    await rest.get("/ping");
    const written = installation.untilWritten(100);
    await rest.post("/api/sessions", { name: "one" });
    await rest.qrCode("one");
    await written;
    await run.kill();
  });

  for (const [fault, cause] of Object.entries(faults)) {
    it(`does not stop a start by ${fault}`, async () => {
      await rm(started.cacheDirectory, { recursive: true });
      await cp(copy(), started.cacheDirectory, { recursive: true });
      await cause(started);
      await tryStart(started);
    });
  }

  it("is not needed by a user who cannot write it", { skip: !isRoot && "root only" }, async (t) => {
    const installation = await Installation.create(t);
    assert.equal((await tryStart(installation, { uid: namelessUid })).strippedTypes, true);
    await mkdir(installation.cacheDirectory, { recursive: true });
    await chmod(installation.cacheDirectory, 0o700);
    assert.equal((await tryStart(installation, { uid: namelessUid })).strippedTypes, true);
  });

  it("is used without the option of npm start too", async (t) => {
    const installation = await Installation.create(t);
    await tryStart(installation, { args: ["src/main.ts"] });
    assert.ok((await installation.cachedFiles()).length > 100);
    await tryStart(installation, { args: ["src/main.ts"] });
  });
});
