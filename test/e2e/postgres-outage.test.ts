import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startPostgres } from "../support/postgres-server.ts";
import { pairFleet } from "./fleet.ts";
import { openHarness } from "./harness.ts";

/** Set SESSIOND_TEST_OUTAGE_SECONDS=60 for the long run. */
const seconds = Number(process.env.SESSIOND_TEST_OUTAGE_SECONDS ?? 9);
/** Time after which calls are told, and time in which all goes on. */
const [patienceMs, recoveryMs] = [6_000, 3_000];

it(`PostgreSQL away for ${seconds} s: nothing is lost, no session reconnects, calls say UNAVAILABLE`, {
  timeout: 120_000 + seconds * 1_000,
}, async () => {
  await using postgres = Object.assign(await startPostgres(), {
    [Symbol.asyncDispose]: () => postgres.close(),
  });
  const ending = new AbortController();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => ending.abort());
  await using it = await openHarness({ SESSIOND_STORE: await postgres.createDatabase() });
  const { whatsapp, rest, hook, config } = it;
  const fleet = await pairFleet(whatsapp, rest, 3, config);
  for (const name of fleet.names) await rest.untilStatus(name, "WORKING");
  const [alice = "", bob = "", carol = ""] = fleet.names;
  const connections = [...whatsapp.connections];
  const sender = whatsapp.phone();
  const sent: string[] = [];
  const traffic = (async () => {
    for (let n = 0; !ending.signal.aborted; n += 1) {
      sent.push(await sender.sendTextTo(fleet.phoneOf([bob, carol][n % 2] ?? ""), `text ${n}`));
      await delay(100);
    }
  })();
  await delay(500);

  await postgres.kill();
  const startMs = performance.now();
  const stop = await rest.post(`/api/sessions/${alice}/stop`);
  assert.equal(stop.status, 503, "a call that waits is told");
  const create = () => rest.post("/api/sessions", { name: "dave", start: false });
  assert.equal((await create()).status, 503, "as is one that comes meanwhile");
  assert.ok(performance.now() - startMs < patienceMs + 2_000);
  const laterMs = performance.now();
  assert.equal((await create()).status, 503);
  assert.ok(performance.now() - laterMs < 2_000, "later calls are told soon");
  assert.equal((await rest.get(`/api/sessions/${bob}`)).body.status, "WORKING", "what is in memory is answered");
  await delay(Math.max(0, seconds * 1_000 - (performance.now() - startMs)));

  await postgres.start();
  const backMs = performance.now();
  const answers: string[] = [];
  for (let status = 0; status !== 201; ) {
    ({ status } = await rest.post(`/api/sessions/${alice}/stop`));
    answers.push(`${status} after ${Math.round(performance.now() - backMs)} ms`);
    assert.ok(status === 201 || performance.now() - backMs < recoveryMs, answers.join());
  }
  ending.abort();
  await traffic;
  const missing = () => {
    const told = new Set(hook.taken.map(({ body }) => String(body.payload.id).split("_")[2]));
    return sent.filter((id) => !told.has(id));
  };
  const endMs = performance.now() + 30_000;
  while (missing().length > 0 && performance.now() < endMs) await delay(50);
  assert.deepEqual(missing(), [], "each message is told");
  const events = hook.taken.filter(({ body }) => body.event === "message");
  assert.equal(new Set(events.map(({ body }) => body.id)).size, sent.length, "each message is one event");
  assert.deepEqual(
    whatsapp.connections.filter((connection) => !connections.includes(connection)),
    [],
    "no session has connected again",
  );
  assert.deepEqual(whatsapp.faults, []);
});
