import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { systemClock } from "../../src/adapters/node/system.ts";
import { createWwebjsFactory } from "../../src/adapters/wwebjs/factory.ts";
import { sessionDirectory } from "../../src/adapters/wwebjs/profile.ts";
import { chromePath } from "../adapters/wwebjs/webjs-fixture.ts";
import { startWhatsAppWeb } from "../emulator/wwebjs/whatsapp-web.ts";
import { MemoryCluster } from "../support/memory-cluster.ts";
import { startServer } from "../support/server.ts";
import { RestClient } from "./rest-client.ts";

/** Starts the nodes "a" and "b" of one cluster, each with its own directory for profiles, and an emulated WhatsApp Web. */
async function startNodes(t: TestContext) {
  const whatsapp = await startWhatsAppWeb();
  const directory = await mkdtemp(join(tmpdir(), "sessiond-hand-over-"));
  const cluster = new MemoryCluster(systemClock, "a", "b");
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
    const env = { WHATSAPP_DEFAULT_ENGINE: "WEBJS" };
    const server = await startServer(t, env, { backend: cluster.node(name).backend, engines: [factory] });
    servers.push(server);
    const profiles = () => readdir(sessionDirectory(profilesDirectory, "alice")).catch(() => []);
    return { server, profiles, rest: new RestClient(() => server.url) };
  };
  return { whatsapp, cluster, a: await start("a"), b: await start("b") };
}

describe("a WEBJS session of a cluster", () => {
  it("works on another node after an orderly stop of its own, without a new code", async (t) => {
    const { whatsapp, cluster, a, b } = await startNodes(t);
    const phone = whatsapp.phone();
    await a.rest.post("/api/sessions", { name: "alice", start: true });
    await phone.scan(await a.rest.qrCode("alice"));
    await a.rest.untilStatus("alice", "WORKING");
    await a.server.stop();
    assert.deepEqual(cluster.handOvers, ["alice → b"]);
    await b.rest.untilStatus("alice", "WORKING");
    assert.equal(whatsapp.pages.length, 1);
    assert.deepEqual([(await a.profiles()).length, (await b.profiles()).length, cluster.archives.size], [0, 1, 0]);
  });
});
