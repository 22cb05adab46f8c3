import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { pairFleet } from "./fleet.ts";
import { openHarness } from "./harness.ts";

const env = { NODE_OPTIONS: `--import=${new URL("./bad-callbacks.ts", import.meta.url)}` };

/** A server with two sessions that work. */
async function openWorking(more: Record<string, string> = {}) {
  await using stack = new AsyncDisposableStack();
  const harness = stack.use(await openHarness({ ...env, ...more }));
  const { names, phoneOf } = await pairFleet(harness.whatsapp, harness.rest, 2, harness.config);
  const [bad = "", good = ""] = names;
  for (const name of names) await harness.rest.untilStatus(name, "WORKING");
  const loginsOf = (name: string) => phoneOf(name).devices[0]?.ledger.logins;
  const opened = stack.move();
  return { ...harness, bad, good, phoneOf, loginsOf, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** The line of the log with this message, once it is there. */
async function lineOf(log: readonly string[], message: string): Promise<Record<string, unknown>> {
  for (;;) {
    const line = log.find((one) => one.includes(`"msg":"${message}"`));
    if (line) return JSON.parse(line);
    await delay(20);
  }
}

describe("what a library's callback does to one session", { concurrency: true }, () => {
  it("an exception is logged with the session, which gets a new engine; others do not notice", async () => {
    await using harness = await openWorking();
    const { whatsapp, hook, server, bad, good, phoneOf, loginsOf } = harness;
    const before = [loginsOf(bad) ?? Number.NaN, loginsOf(good)];
    await whatsapp.phone(undefined, { name: "Thrower" }).sendTextTo(phoneOf(bad), "boo");
    assert.equal((await lineOf(server.log, "uncaught exception")).session, bad);
    const status = await harness.rest.get(`/api/sessions/${bad}`);
    assert.notEqual(status.body.status, "FAILED");
    await whatsapp.until(() => loginsOf(bad) === (before[0] ?? 0) + 1, "another login");
    await harness.rest.untilStatus(bad, "WORKING");
    const id = await whatsapp.phone().sendTextTo(phoneOf(good), "hello");
    await hook.until(() => hook.taken.some(({ body }) => String(body.payload.id).endsWith(id)));
    assert.equal(loginsOf(good), before[1]);
  });

  it("a rejection is logged with the session, which goes on", async () => {
    await using harness = await openWorking();
    const { whatsapp, hook, server, bad, phoneOf, loginsOf } = harness;
    const before = loginsOf(bad);
    const id = await whatsapp.phone(undefined, { name: "Rejecter" }).sendTextTo(phoneOf(bad), "hello");
    assert.equal((await lineOf(server.log, "unhandled rejection")).session, bad);
    await hook.until(() => hook.taken.some(({ body }) => String(body.payload.id).endsWith(id)));
    assert.equal(loginsOf(bad), before);
  });

  it("an endless loop is logged with the session and the stack, and ends the process; the next one has all sessions", async () => {
    await using harness = await openWorking({ SESSIOND_BLOCKED_LIMIT_SECONDS: "10" });
    const { whatsapp, hook, server, bad, good, phoneOf } = harness;
    const sent = await whatsapp.phone(undefined, { name: "Looper" }).sendTextTo(phoneOf(bad), "and again");
    const { session, stack } = await lineOf(server.log, "the event loop is blocked");
    assert.equal(session, bad);
    assert.match(String(stack), /loopForEver/);
    assert.equal(await server.ended(), "SIGKILL");
    assert.match(server.log.at(-1) ?? "", /blocked for good/);
    await server.restart();
    for (const name of [bad, good]) await harness.rest.untilStatus(name, "WORKING");
    await hook.until(() => hook.taken.some(({ body }) => String(body.payload.id).endsWith(sent)));
  });
});
