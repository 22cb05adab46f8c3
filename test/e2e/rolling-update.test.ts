import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it, type TestContext } from "node:test";
import { scaleTimings } from "../../src/adapters/postgres/cluster/timings.ts";
import { readConfig } from "../../src/config/config.ts";
import { createServer } from "../../src/server.ts";
import { Witness } from "../cluster/witness.ts";
import type { LinkedDevice } from "../emulator/device.ts";
import { startWhatsApp, type WhatsApp } from "../emulator/whatsapp.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { silentLogger } from "../support/server.ts";
import { RestClient } from "./rest-client.ts";

const postgres = await startPostgres();
after(() => postgres.close());

/** A cluster without nodes, and its WhatsApp. The servers run in this process, at half of the cluster's times: a busy process must not freeze. */
async function openCluster(t: TestContext) {
  const SESSIOND_STORE = await postgres.createDatabase();
  const whatsapp = await startWhatsApp();
  t.after(() => whatsapp.close());
  const witness = new Witness(whatsapp);
  const start = async (name: string, env: Readonly<Record<string, string>>) => {
    const directory = await mkdtemp(join(tmpdir(), "sessiond-update-"));
    t.after(() => rm(directory, { recursive: true }));
    const { config, secrets } = await readConfig((path) => readFile(path, "utf8"), {
      PORT: "0",
      WAHA_PRINT_QR: "false",
      WAHA_LOCAL_STORE_BASE_DIR: directory,
      // No watchdog thread, which could kill the test's process.
      SESSIOND_BLOCKED_LIMIT_SECONDS: "0",
      SESSIOND_NODE: name,
      SESSIOND_STORE,
      SESSIOND_NOWEB_URL: `${whatsapp.url}?node=${name}`,
      ...env,
    });
    const server = await createServer(config, secrets, {
      logger: silentLogger,
      processEvents: new EventEmitter(),
      clusterTimings: scaleTimings(0.5),
    });
    t.after(() => server.stop());
    return { ...server, rest: new RestClient(() => server.url) };
  };
  return { whatsapp, witness, start };
}

type Node = Awaited<ReturnType<Awaited<ReturnType<typeof openCluster>>["start"]>>;

async function pair(whatsapp: WhatsApp, rest: RestClient, name: string): Promise<LinkedDevice> {
  await rest.post("/api/sessions", { name });
  const device = await whatsapp.phone().scan(await rest.qrCode(name));
  await whatsapp.waitForLogin(device);
  return device;
}

/** Returns the number of logins of each device that `work` leads to. All are online afterwards. */
async function loginsDuring(whatsapp: WhatsApp, devices: readonly LinkedDevice[], work: () => Promise<void>) {
  const before = devices.map(({ ledger }) => ledger.logins);
  await work();
  await whatsapp.until(() => devices.every(({ online }) => online), "all sessions");
  return devices.map(({ ledger }, i) => ledger.logins - (before[i] ?? 0));
}

describe("a rolling update of three nodes", () => {
  it("moves each session once if new nodes come first, though old ones have more room", async (t) => {
    const { whatsapp, witness, start } = await openCluster(t);
    const nodes: Node[] = [];
    for (const name of ["a", "b", "c"]) nodes.push(await start(name, { SESSIOND_BUILD: "old" }));
    const [first, second] = nodes.map(({ rest }) => rest);
    assert.ok(first && second);
    const devices: LinkedDevice[] = [];
    // The last one has none, and so most room at each step.
    for (const name of ["one", "two", "three", "four"]) devices.push(await pair(whatsapp, first, name));
    devices.push(await pair(whatsapp, second, "five"));
    const logins = await loginsDuring(whatsapp, devices, async () => {
      for (const [i, old] of nodes.entries()) {
        await start(`new-${i}`, { SESSIOND_BUILD: "new" });
        await old.stop();
      }
    });
    assert.deepEqual(logins, [1, 1, 1, 1, 1]);
    assert.deepEqual(witness.conflicts, []);
    assert.deepEqual(whatsapp.faults, []);
  });

  it("costs each session one reconnect if nodes return under their names", async (t) => {
    const { whatsapp, witness, start } = await openCluster(t);
    const names = ["a", "b", "c"];
    const env = { SESSIOND_DRAIN: "return" };
    const nodes: Node[] = [];
    const devices: LinkedDevice[] = [];
    for (const name of names) {
      const node = await start(name, { ...env, SESSIOND_BUILD: "old" });
      nodes.push(node);
      devices.push(await pair(whatsapp, node.rest, `at-${name}`));
    }
    const logins = await loginsDuring(whatsapp, devices, async () => {
      for (const [i, old] of nodes.entries()) {
        await old.stop();
        await start(names[i] ?? "", { ...env, SESSIOND_BUILD: "new" });
      }
    });
    assert.deepEqual(logins, [1, 1, 1]);
    assert.deepEqual(witness.conflicts, []);
    assert.deepEqual(whatsapp.faults, []);
  });
});
