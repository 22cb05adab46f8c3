import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { statusOf } from "../../../src/domain/session.ts";
import { openCluster } from "../../app/cluster-harness.ts";
import { settle } from "../../app/harness.ts";
import type { BinaryNode } from "../../emulator/stanza.ts";
import { startWhatsApp } from "../../emulator/whatsapp.ts";

/** Two nodes with real NOWEB engines. The session "alice" works on node "a". */
async function open(t: TestContext) {
  const whatsapp = await startWhatsApp();
  const { cluster, boot } = openCluster(t);
  const factory = createBaileysFactory({ clock: systemClock, waWebSocketUrl: whatsapp.url });
  const engines = new Map([[factory.kind, factory]]);
  const [a, b] = [await boot("a", { engines }), await boot("b", { engines })];
  t.after(async () => {
    await Promise.all([a.manager.close(), b.manager.close()]);
    await whatsapp.close();
  });
  const { sessions, log } = cluster.store;
  await a.create();
  let code: string | undefined;
  for await (const { pairing } of sessions.watch("alice", new AbortController().signal)) {
    code = pairing?.value;
    if (code !== undefined) break;
  }
  const phone = whatsapp.phone();
  const device = await phone.scan(code ?? "");
  const untilWorking = async () => {
    for await (const { record } of sessions.watch("alice", new AbortController().signal)) {
      if (record && statusOf(record) === Status.WORKING) return;
    }
  };
  await untilWorking();
  await whatsapp.waitForLogin(device);
  /** Resolves with the bodies of the messages in the log once there are so many. */
  const bodies = async (count: number) => {
    for (;;) {
      const found: string[] = [];
      const reading = log.events("alice", 0n, new AbortController().signal, await log.lastSeq());
      for await (const { name, payload } of reading) {
        if (name === "message" && payload.case === "message") found.push(payload.value.body);
      }
      if (found.length >= count) return found;
      await settle();
    }
  };
  return { a, b, cluster, whatsapp, phone, device, bodies, bob: whatsapp.phone() };
}

describe("a NOWEB session in a cluster", () => {
  it("is handed over without a replaced connection, a new code, or a message lost or repeated", async (t) => {
    const { a, cluster, whatsapp, phone, device, bodies, bob } = await open(t);
    await bob.sendTextTo(phone, "1");
    const drained = a.manager.drain("handoff");
    await bob.sendTextTo(phone, "2");
    await drained;
    await bob.sendTextTo(phone, "3");
    await whatsapp.waitForLogin(device);
    assert.deepEqual(await bodies(3), ["1", "2", "3"]);
    assert.equal(cluster.owners.get("alice"), "b");
    assert.equal(whatsapp.counters.conflicts, 0);
    assert.equal(whatsapp.counters.pairings, 1);
    assert.deepEqual(whatsapp.faults, []);
  });

  it("goes on over the same connection after a freeze", async (t) => {
    const { a, phone, device, whatsapp, bodies, bob } = await open(t);
    const { logins } = device.ledger;
    a.standing.freeze();
    await bob.sendTextTo(phone, "1");
    await bob.sendTextTo(phone, "2");
    await settle();
    a.standing.thaw();
    assert.deepEqual(await bodies(2), ["1", "2"]);
    assert.equal(device.ledger.logins, logins);
    assert.deepEqual(whatsapp.faults, []);
  });

  it("is taken from a frozen node, which sends nothing from its freeze on", async (t) => {
    const { a, cluster, phone, device, whatsapp, bodies, bob } = await open(t);
    await bob.sendTextTo(phone, "1");
    await bodies(1);
    await whatsapp.until(() => device.stored.size === 0, "the receipt");
    const former = whatsapp.connectionOf(device);
    const stanzas: BinaryNode[] = [];
    a.standing.freeze();
    former.onStanza = (node) => stanzas.push(node);
    await bob.sendTextTo(phone, "2");
    await settle();
    await cluster.take("alice", "b");
    a.standing.lose();
    await former.ended;
    await bob.sendTextTo(phone, "3");
    assert.deepEqual(await bodies(3), ["1", "2", "3"]);
    assert.equal(stanzas.length, 0);
    assert.ok(whatsapp.counters.conflicts <= 1);
    assert.deepEqual(whatsapp.faults, []);
  });
});
