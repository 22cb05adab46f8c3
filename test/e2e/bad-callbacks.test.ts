import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { pairFleet } from "./fleet.ts";
import { openHarness } from "./harness.ts";

const env = { NODE_OPTIONS: `--import=${new URL("./bad-callbacks.ts", import.meta.url)}` };

/** Opens a server with two WORKING sessions. */
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

/** Waits for the log line with this message and this text anywhere in it. */
async function lineOf(log: readonly string[], message: string, text = ""): Promise<Record<string, unknown>> {
  for (;;) {
    const line = log.find((one) => one.includes(`"msg":"${message}"`) && one.includes(text));
    if (line) return JSON.parse(line);
    await delay(20);
  }
}

describe("a faulty callback of a library in one session", { concurrency: true }, () => {
  it("is logged with the session for an exception, and only that session gets a new engine", async () => {
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

  it("is logged with the session for a rejection, and the session continues", async () => {
    await using harness = await openWorking();
    const { whatsapp, hook, server, bad, phoneOf, loginsOf } = harness;
    const before = loginsOf(bad);
    const id = await whatsapp.phone(undefined, { name: "Rejecter" }).sendTextTo(phoneOf(bad), "hello");
    assert.equal((await lineOf(server.log, "unhandled rejection")).session, bad);
    await hook.until(() => hook.taken.some(({ body }) => String(body.payload.id).endsWith(id)));
    assert.equal(loginsOf(bad), before);
  });

  it("ends the process for an endless loop, logged with the stack; all sessions come back", async () => {
    await using harness = await openWorking({ SESSIOND_BLOCKED_LIMIT_SECONDS: "10" });
    const { whatsapp, hook, server, bad, good, phoneOf } = harness;
    const sent = await whatsapp.phone(undefined, { name: "Looper" }).sendTextTo(phoneOf(bad), "and again");
    // On a busy machine the server also blocks for a while by itself.
    const { session, stack } = await lineOf(server.log, "the event loop is blocked", "loopForEver");
    assert.equal(session, bad);
    assert.match(String(stack), /at loopForEver/);
    assert.equal(await server.ended(), "SIGKILL");
    assert.match(server.log.at(-1) ?? "", /blocked for good/);
    await server.restart();
    for (const name of [bad, good]) await harness.rest.untilStatus(name, "WORKING");
    await hook.until(() => hook.taken.some(({ body }) => String(body.payload.id).endsWith(sent)));
  });
});
