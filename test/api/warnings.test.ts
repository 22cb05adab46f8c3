import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { EventService } from "../../gen/sessiond/v1/event_service_pb.js";
import { SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import { Warnings, warning } from "../../src/api/warnings.ts";
import { eventNames, postedEventNames } from "../../src/domain/event.ts";
import { createRest } from "../../src/http/rest/transcoder.ts";
import { createHandler } from "../../src/http/server/handler.ts";
import { dialect, sendJson, startServer } from "../http/rest/server.ts";

/** Serves REST and RPC over services without effects, and records the log. */
async function start(t: TestContext, strict = false) {
  const logged: string[] = [];
  const warnings = new Warnings({
    warn: (fields, message) => logged.push("part" in fields ? `${fields.part}` : message),
  });
  const interceptors = [warning(warnings)];
  const routes: Parameters<typeof createHandler>[0]["routes"] = (router) => {
    router
      .service(SessionService, {
        createSession: ({ name }) => ({ session: { name } }),
        updateSession: ({ session }) => ({ session: { name: session } }),
        startSessionDeprecated: ({ name }) => ({ name }),
        listSessions: () => ({}),
      })
      .service(EventService, { streamEvents: async function* () {} });
  };
  const rest = createRest({ services: [SessionService, EventService], dialect, routes, interceptors, strict });
  const { url } = await startServer(t, createHandler({ routes, interceptors, rest }));
  return { url, logged };
}

const header = (answer: Response) => answer.headers.get("sessiond-warning");
const hook = (...events: string[]) => ({ config: { webhooks: [{ url: "http://a.test", events }] } });

describe("a part of a request without effect", () => {
  it("is reported in the answer for an event that never fires", async (t) => {
    const { url } = await start(t);
    const body = hook("message", "group.v2.join", "*", "engine.event");
    const expected =
      '"config.webhooks.0.events.1: group.v2.join never fires here", "config.webhooks.0.events.3: engine.event never fires here"';
    const created = await sendJson(`${url}/api/sessions`, "POST", body);
    assert.deepEqual([created.status, header(created)], [201, expected]);
    assert.equal(header(await sendJson(`${url}/api/sessions/x`, "PUT", body)), expected);
    assert.equal(header(await sendJson(`${url}/api/sessions/start`, "POST", body)), expected);
    assert.equal(header(await sendJson(`${url}/sessiond.v1.SessionService/CreateSession`, "POST", body)), expected);
  });

  it("is not reported for events that fire", async (t) => {
    const { url, logged } = await start(t);
    const answer = await sendJson(`${url}/api/sessions`, "POST", hook(...postedEventNames, "*"));
    assert.deepEqual([answer.status, header(answer), logged], [201, null, []]);
  });

  it("is reported for every other accepted name", async (t) => {
    const { url, logged } = await start(t);
    const silent = eventNames.filter((name) => !postedEventNames.includes(name));
    assert.equal(silent.length, 22);
    for (const name of silent) {
      const answer = await sendJson(`${url}/api/sessions`, "POST", hook(name));
      assert.match(header(answer) ?? "", new RegExp(`: ${name} never fires here"$`));
    }
    assert.equal(logged.length, silent.length);
  });

  it("is reported in the header of a stream of events that never fire", async (t) => {
    const { url } = await start(t);
    const answer = await fetch(`${url}/api/events?names=message&names=chat.archive`);
    assert.equal(header(answer), '"names.1: chat.archive never fires here"');
  });

  const keys: readonly [sent: object, told: string][] = [
    [{ nope: 1 }, '"nope is unknown and ignored"'],
    [{ config: { gows: {} } }, '"config.gows is unknown and ignored"'],
    [{ config: { webhooks: [{ url: "u", x: 1 }] } }, '"config.webhooks.0.x is unknown and ignored"'],
    [{ 'a"b\\c': 1 }, '"a\\"b\\\\c is unknown and ignored"'],
    [{ "Ž\r\nSet-Cookie: a=b": 1 }, '"???Set-Cookie: a=b is unknown and ignored"'],
    [{ "👩‍🚀": 1, "\ud800": 1 }, '"??? is unknown and ignored", "? is unknown and ignored"'],
    [{ "a,b%": 1 }, '"a,b% is unknown and ignored"'],
    [{ ["k".repeat(5000)]: 1 }, `"${"k".repeat(100)} is unknown and ignored"`],
  ];
  for (const [sent, told] of keys) {
    it(`is reported for the key of ${JSON.stringify(sent).slice(0, 60)}`, async (t) => {
      const { url } = await start(t);
      const answer = await sendJson(`${url}/api/sessions`, "POST", sent);
      assert.deepEqual([answer.status, header(answer)], [201, told]);
    });
  }

  it("is reported by name alone for a query parameter", async (t) => {
    const { url } = await start(t);
    assert.equal(header(await fetch(`${url}/api/sessions?al=secret`)), '"al is unknown and ignored"');
  });

  it("makes a short header even for a thousand unknown keys", async (t) => {
    const { url } = await start(t);
    const sent = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`${"long".repeat(100)}${n}`, n]));
    const told = header(await sendJson(`${url}/api/sessions`, "POST", sent)) ?? "";
    assert.ok(told.length < 1000 && told.endsWith(', "and more"'));
  });

  it("is refused in strict mode", async (t) => {
    const { url } = await start(t, true);
    const answer = await sendJson(`${url}/api/sessions`, "POST", { nope: 1 });
    assert.deepEqual([answer.status, header(answer)], [400, null]);
  });

  it("cannot be made up by a client's own header", async (t) => {
    const { url, logged } = await start(t);
    const headers = { "x-ignored-names": "%zz" };
    assert.equal(header(await fetch(`${url}/api/sessions`, { headers })), null);
    assert.deepEqual(logged, []);
  });

  it("is logged once per kind, whatever its position", async (t) => {
    const { url, logged } = await start(t);
    for (const times of [1, 2, 3]) {
      const webhooks = Array.from({ length: times }, () => ({ url: "u", x: times, events: ["poll.vote"] }));
      await sendJson(`${url}/api/sessions`, "POST", { config: { webhooks } });
    }
    assert.deepEqual(logged, ["config.webhooks.*.x is unknown and ignored", "event poll.vote never fires here"]);
  });

  it("is logged for a limited number of kinds, and a last line says so", () => {
    const logged: string[] = [];
    const warnings = new Warnings({ warn: (_, message) => logged.push(message) });
    for (let n = 0; n < 5000; n += 1) warnings.log(`kind ${n}`);
    assert.equal(logged.length, 201);
    assert.match(logged.at(-1) ?? "", /not logged/);
  });
});
