import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { scaleTimings } from "../../src/adapters/postgres/cluster/timings.ts";
import { readConfig } from "../../src/config/config.ts";
import { createServer } from "../../src/server.ts";
import { type Fleet, pairFleet } from "../e2e/fleet.ts";
import { RestClient } from "../e2e/rest-client.ts";
import { WebhookInbox } from "../e2e/webhook-inbox.ts";
import { startWhatsApp, type WhatsApp } from "../emulator/whatsapp.ts";
import { type PostgresServer, startPostgres } from "../support/postgres-server.ts";
import { silentLogger } from "../support/server.ts";

/** A quarter of the real times, except that nodes give their sessions up after 12 s, so that a slow machine does not before. */
const timings = { ...scaleTimings(0.25), closeMs: 12_000 };
const sessions = 6;

describe("PostgreSQL is away from three nodes", { timeout: 120_000 }, () => {
  const stack = new AsyncDisposableStack();
  const rests: RestClient[] = [];
  let whatsapp: WhatsApp;
  let postgres: PostgresServer;
  let hook: WebhookInbox;
  let fleet: Fleet;

  before(async () => {
    postgres = await startPostgres();
    stack.defer(() => postgres.close());
    whatsapp = await startWhatsApp();
    stack.defer(() => whatsapp.close());
    hook = stack.use(await WebhookInbox.open());
    const store = await postgres.createDatabase();
    for (const name of ["a", "b", "c"]) rests.push(await startNode(name, store));
    const [rest] = rests as [RestClient];
    fleet = await pairFleet(whatsapp, rest, sessions, { webhooks: [{ url: hook.url, events: ["message"] }] });
    for (const name of fleet.names) await rest.untilStatus(name, "WORKING");
  });
  after(() => stack.disposeAsync());

  async function startNode(name: string, store: string): Promise<RestClient> {
    const { config, secrets } = await readConfig((path) => readFile(path, "utf8"), {
      PORT: "0",
      WAHA_PRINT_QR: "false",
      SESSIOND_BLOCKED_LIMIT_SECONDS: "0",
      SESSIOND_STORE: store,
      SESSIOND_NODE: name,
      SESSIOND_NOWEB_URL: whatsapp.url,
      SESSIOND_CONNECTS_PER_SECOND: "200",
    });
    const overrides = { clusterTimings: timings, logger: silentLogger, processEvents: new EventEmitter() };
    const server = await createServer(config, secrets, overrides);
    stack.defer(() => server.stop());
    return new RestClient(() => server.url);
  }

  const devices = () => fleet.names.flatMap((name) => fleet.phoneOf(name).devices);
  /** Gives nodes a command that changes nothing, and returns the answers' statuses. */
  const command = (...nodes: readonly RestClient[]) =>
    Promise.all(nodes.map(async (rest) => (await rest.post(`/api/sessions/${fleet.names[0]}/start`)).status));
  const missing = (sent: readonly string[]) => {
    const told = new Set(hook.taken.map(({ body }) => String(body.payload.id).split("_")[2]));
    return sent.filter((id) => !told.has(id));
  };

  /** Takes PostgreSQL away while a message comes for each session, and waits until everything goes on. */
  async function outlast(
    lengthMs: number,
    whileAway: () => Promise<void>,
  ): Promise<{ logins: number; conflicts: number }> {
    const { logins, conflicts } = whatsapp.counters;
    const bob = whatsapp.phone();
    await postgres.kill();
    const sent: string[] = [];
    for (const name of fleet.names) sent.push(await bob.sendTextTo(fleet.phoneOf(name), `to ${name}`));
    await delay(lengthMs);
    try {
      await whileAway();
    } finally {
      await postgres.start();
    }
    while ((await command(...rests)).some((status) => status !== 201)) await delay(20);
    await whatsapp.until(() => devices().every(({ online }) => online), "all devices");
    await hook.until(() => missing(sent).length === 0);
    assert.deepEqual(whatsapp.faults, []);
    const now = whatsapp.counters;
    return { logins: now.logins - logins, conflicts: now.conflicts - conflicts };
  }

  it("for a minute: no session reconnects, no message is lost, all goes on", async () => {
    const seen = await outlast(2_000, async () => {
      // The owner of all sessions: another node asks PostgreSQL for it first, and waits.
      assert.deepEqual(await command(...rests.slice(0, 1)), [503], "a call says UNAVAILABLE");
    });
    assert.deepEqual(seen, { logins: 0, conflicts: 0 });
  });

  it("for longer than sessions stay open: they close, and each comes back once", async () => {
    const seen = await outlast(timings.closeMs + 1_000, async () => {
      assert.equal(whatsapp.counters.connections, 0);
      assert.deepEqual(await command(...rests), [503, 503, 503], "each node says UNAVAILABLE");
    });
    assert.deepEqual(seen, { logins: sessions, conflicts: 0 });
  });
});
