import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { stanza } from "../emulator/stanza.ts";
import { pairFleet, statusCounts } from "./fleet.ts";
import { openHouse } from "./house.ts";

/** More with SESSIOND_TEST_KILLS=1000. */
const kills = Number(process.env.SESSIOND_TEST_KILLS ?? 4);
const fastConnects = { SESSIOND_CONNECTS_PER_SECOND: "200" };

/** Waits until all of them have the status. */
async function untilAll(rest: Parameters<typeof statusCounts>[0], status: string, count: number): Promise<void> {
  while (((await statusCounts(rest))[status] ?? 0) < count) await delay(50);
}

suite("sessions come back", () => {
  test(`${kills} times kill -9 under traffic: no session, no message and no pairing is lost, and nothing is told twice`, async () => {
    await using it = await openHouse(fastConnects);
    const { whatsapp, hook, server, rest, config } = it;
    const { names, phoneOf } = await pairFleet(whatsapp, rest, 4, config);
    const bob = whatsapp.phone();
    const sent = new Map<string, string>();
    let sending = true;
    const traffic = (async () => {
      for (let i = 0; sending; i++) {
        const name = names[i % names.length] ?? "";
        sent.set(await bob.sendTextTo(phoneOf(name), `text ${i}`), name);
        await delay(10 + Math.random() * 40);
      }
    })();
    for (let i = 0; i < kills; i++) {
      await delay(Math.random() * 1_500);
      await server.kill("SIGKILL");
      await server.restart();
    }
    await untilAll(rest, "WORKING", names.length);
    sending = false;
    await traffic;
    const devices = names.flatMap((name) => phoneOf(name).devices);
    await whatsapp.until(() => devices.every((device) => device.stored.size === 0), "the receipts", 60_000);

    const told = () => hook.taken.filter(({ body }) => body.event === "message");
    const missing = () => {
      const ids = new Set(told().map(({ body }) => String(body.payload.id).split("_")[2]));
      return [...sent.keys()].filter((id) => !ids.has(id));
    };
    await Promise.race([
      hook.until(() => missing().length === 0),
      delay(60_000 + 5_000 * kills, undefined, { ref: false }),
    ]);
    assert.deepEqual(missing(), []);
    const events = new Map<string, Set<string>>();
    for (const { body } of told()) {
      const id = String(body.payload.id);
      events.set(id, (events.get(id) ?? new Set()).add(body.id));
    }
    assert.deepEqual(
      [...events].filter(([, ids]) => ids.size > 1).map(([id]) => id),
      [],
      "each message is one event",
    );
    assert.equal(whatsapp.counters.pairings, names.length, "nobody was asked to scan again");
    assert.deepEqual(whatsapp.faults, []);
  });

  test("a server that starts brings its sessions back, whatever some of them run into, and says so in one line", async () => {
    await using it = await openHouse(fastConnects);
    const { whatsapp, server, rest } = it;
    const { names, phoneOf } = await pairFleet(whatsapp, rest, 12);
    await server.kill("SIGKILL");
    const [banned, unavailable, unlinked] = names;
    phoneOf(banned ?? "").loginRefusal = { reason: 403 };
    phoneOf(unavailable ?? "").loginRefusal = { reason: 503 };
    await phoneOf(unlinked ?? "").unlink();
    const startedAt = Date.now();
    await server.restart();
    await untilAll(rest, "WORKING", 9);
    await untilAll(rest, "FAILED", 2);
    assert.ok(Date.now() - startedAt < 60_000);
    const { body } = await rest.get(`/api/sessions/${unavailable}`);
    assert.equal(body.status, "STARTING");
    assert.equal(body.statusReason, "UNREACHABLE");
    assert.ok(Number(body.attempt) > 0);
    assert.ok(Date.parse(String(body.nextAttemptAt)) > startedAt);
    const line = await lineWith(server.log, "sessions restored");
    const { restored, failed, reasons } = JSON.parse(line);
    assert.deepEqual([restored, failed, Object.keys(reasons).sort()], [9, 3, [banned, unavailable, unlinked].sort()]);
  });

  test("a stop is over at once, and a logout says what became of the device", async () => {
    await using it = await openHouse();
    const { whatsapp, rest } = it;
    const { names, phoneOf } = await pairFleet(whatsapp, rest, 1);
    const [name = ""] = names;
    await rest.untilStatus(name, "WORKING");
    const startedAt = performance.now();
    assert.equal((await rest.post(`/api/sessions/${name}/stop`)).body.status, "STOPPED");
    assert.ok(performance.now() - startedAt < 2_000, "it does not wait for anything");
    await rest.post(`/api/sessions/${name}/start`);
    await rest.untilStatus(name, "WORKING");
    assert.equal((await rest.get(`/api/sessions/${name}`)).body.health, "HEALTH_HEALTHY");
    const { body } = await rest.post(`/api/sessions/${name}/logout`);
    assert.equal(body.remoteUnlinked, "true");
    assert.equal(phoneOf(name).devices.length, 0);
    assert.equal((await rest.get(`/api/sessions/${name}`)).body.remoteUnlinked, undefined);
  });

  test("an orderly stop ends the process, whatever timers a library leaves behind", async () => {
    await using it = await openHouse();
    const { whatsapp, server, rest } = it;
    const { names, phoneOf } = await pairFleet(whatsapp, rest, 1);
    const [device] = phoneOf(names[0] ?? "").devices;
    assert.ok(device);
    await rest.untilStatus(names[0] ?? "", "WORKING");
    const before = device.ledger.preKeysUploaded;
    // Baileys' own upload of pre-keys leaves a timer of 30 s behind.
    const attributes = { type: "encrypt", from: "@s.whatsapp.net", id: "low", t: 1 };
    device.connection?.send(stanza("notification", attributes, [stanza("count", { value: 3 })]));
    await whatsapp.until(() => device.ledger.preKeysUploaded > before, "the pre-keys");
    const startedAt = performance.now();
    assert.equal(await server.kill("SIGTERM"), 0);
    assert.match(server.log.at(-1) ?? "", /"msg":"stopped"/);
    assert.ok(performance.now() - startedAt < 15_000);
  });

  test("a login that was damaged is restored in one call", async () => {
    await using it = await openHouse();
    const { whatsapp, rest } = it;
    const { names } = await pairFleet(whatsapp, rest, 1);
    const [name = ""] = names;
    await rest.untilStatus(name, "WORKING");
    const { status, body } = await rest.post(`/api/sessions/${name}/credentials/restore`);
    assert.equal(status, 201);
    assert.equal(body.status, "STARTING");
    await rest.untilStatus(name, "WORKING");
    assert.equal(whatsapp.counters.pairings, 1);
    await rest.post("/api/sessions", { name: "new", start: false });
    assert.equal((await rest.post("/api/sessions/new/credentials/restore")).status, 422);
  });
});

/** The first line of a log that holds a text, once it is there. */
async function lineWith(log: readonly string[], text: string): Promise<string> {
  for (;;) {
    const line = log.find((one) => one.includes(text));
    if (line) return line;
    await delay(50);
  }
}
