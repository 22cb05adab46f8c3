import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it, type TestContext } from "node:test";
import { systemClock } from "../../src/adapters/node/system.ts";
import { openPostgresBackend } from "../../src/adapters/postgres/backend.ts";
import { createSealer } from "../../src/adapters/seal/aes-gcm.ts";
import { createWwebjsFactory } from "../../src/adapters/wwebjs/factory.ts";
import { sessionDirectory } from "../../src/adapters/wwebjs/profile.ts";
import { chromePath } from "../adapters/wwebjs/webjs-fixture.ts";
import { startWhatsAppWeb } from "../emulator/wwebjs/whatsapp-web.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { startServer } from "../support/server.ts";
import { RestClient } from "./rest-client.ts";

const postgres = await startPostgres();
after(() => postgres.close());

/** Starts the nodes "a" and "b" of one cluster, each with its own directory for profiles, and an emulated WhatsApp Web. */
async function startNodes(t: TestContext) {
  const whatsapp = await startWhatsAppWeb();
  const directory = await mkdtemp(join(tmpdir(), "sessiond-hand-over-"));
  const url = await postgres.createDatabase();
  const sealer = createSealer(randomBytes(32), []);
  const servers: { stop(): Promise<void> }[] = [];
  t.after(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await whatsapp.close();
    await rm(directory, { recursive: true, force: true });
  });
  const start = async (name: string) => {
    const profilesDirectory = join(directory, name);
    const extraArgs = whatsapp.chromeArgs;
    const factory = createWwebjsFactory({ clock: systemClock, profilesDirectory, extraArgs, chromePath });
    const node = { name, version: "1.0.0", capacity: 2_000 };
    const backend = await openPostgresBackend({ url, clock: systemClock, sealer, node });
    const server = await startServer(t, { WHATSAPP_DEFAULT_ENGINE: "WEBJS" }, { backend, engines: [factory] });
    servers.push(server);
    const profiles = () => readdir(sessionDirectory(profilesDirectory, "alice")).catch(() => []);
    return { server, backend, profiles, rest: new RestClient(() => server.url) };
  };
  return { whatsapp, a: await start("a"), b: await start("b") };
}

describe("a WEBJS session of a cluster", () => {
  it("works on another node after an orderly stop of its own, without a new code", async (t) => {
    const { whatsapp, a, b } = await startNodes(t);
    await a.rest.post("/api/sessions", { name: "alice", start: true });
    await whatsapp.phone().scan(await a.rest.qrCode("alice"));
    await a.rest.untilStatus("alice", "WORKING");
    assert.equal((await b.backend.cluster?.placement.ownerOf("alice"))?.kind, "node");
    await a.server.stop();
    assert.equal(whatsapp.pages.length, 0);
    await whatsapp.until(() => whatsapp.pages.length === 1);
    await b.rest.untilStatus("alice", "WORKING");
    assert.deepEqual([(await a.profiles()).length, (await b.profiles()).length], [0, 1]);
  });
});
