import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { RetriesConfigSchema, WebhookConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import {
  type AttemptOutcome,
  endpointIdsFor,
  endpointsOf,
  type Verdict,
  verdictOn,
} from "../../src/domain/delivery.ts";
import { deletedEventName, eventNames } from "../../src/domain/event.ts";

const answered = (status: number, retryAfterMs?: number): AttemptOutcome => ({
  type: "answered",
  status,
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});
const refused: AttemptOutcome = { type: "failed", error: "connection refused" };
const retry = (delayMs: number, reason: string): Verdict => ({ type: "retry", delayMs, reason });
const webhook = (url: string, ...events: string[]) => create(WebhookConfigSchema, { url, events });

const verdicts: [string, AttemptOutcome, Verdict][] = [
  ["200 is success", answered(200), { type: "done" }],
  ["every 2xx is success", answered(299), { type: "done" }],
  ["a redirect is a failure", answered(301), retry(2000, "answered 301")],
  [
    "a redirect says what to do",
    { type: "answered", status: 302, note: "configure the final address" },
    retry(2000, "answered 302: configure the final address"),
  ],
  ["304 is a failure", answered(304), retry(2000, "answered 304")],
  ["an informational status is a failure", answered(199), retry(2000, "answered 199")],
  ["400 is tried again", answered(400), retry(2000, "answered 400")],
  ["410 stops at once", answered(410), { type: "give_up", reason: "answered 410" }],
  ["500 is tried again", answered(500), retry(2000, "answered 500")],
  ["no answer is tried again", refused, retry(2000, "connection refused")],
  ["429 is tried again", answered(429), retry(2000, "answered 429")],
  ["429 honours a longer Retry-After", answered(429, 60_000), retry(60_000, "answered 429")],
  ["503 honours a longer Retry-After", answered(503, 7000), retry(7000, "answered 503")],
  ["a shorter Retry-After does not hasten the schedule", answered(429, 100), retry(2000, "answered 429")],
  ["Retry-After means nothing with other statuses", answered(500, 60_000), retry(2000, "answered 500")],
  ["Retry-After is bounded by a day", answered(503, 1e15), retry(86_400_000, "answered 503")],
];

const schedules: [string, { policy?: string; delaySeconds?: number }, number, number[]][] = [
  ["constant is d, d, d", { policy: "constant", delaySeconds: 3 }, 0.5, [3000, 3000, 3000, 3000]],
  ["linear is d, 2d, 3d", { policy: "linear", delaySeconds: 3 }, 0.5, [3000, 6000, 9000, 12_000]],
  ["exponential is d, 2d, 4d", { policy: "exponential", delaySeconds: 3 }, 0.5, [3000, 6000, 12_000, 24_000]],
  ["exponential goes 20 % down", { policy: "exponential", delaySeconds: 1 }, 0, [800, 1600, 3200]],
  ["exponential goes nearly 20 % up", { policy: "exponential", delaySeconds: 1 }, 0.999999, [1200, 2400, 4800]],
  ["only exponential is spread", { policy: "linear", delaySeconds: 1 }, 0, [1000, 2000, 3000]],
  ["nothing said is 2 s, constant", {}, 0.5, [2000, 2000]],
  ["an unknown policy is constant", { policy: "random" }, 0.5, [2000, 2000]],
  ["fractions of seconds count", { delaySeconds: 0.25 }, 0.5, [250, 250]],
  ["no delay is no delay", { policy: "exponential", delaySeconds: 0 }, 0.5, [0, 0]],
];

describe("the decision after an attempt", () => {
  for (const [name, outcome, verdict] of verdicts) {
    it(name, () => assert.deepEqual(verdictOn(outcome, 1, undefined, 0.5), verdict));
  }

  for (const [name, init, jitter, delays] of schedules) {
    it(`waits: ${name}`, () => {
      const retries = create(RetriesConfigSchema, init);
      const actual = delays.map((_, i) => verdictOn(refused, i + 1, retries, jitter));
      assert.deepEqual(
        actual,
        delays.map((delayMs) => retry(delayMs, "connection refused")),
      );
    });
  }

  it("waits at most a day", () => {
    const retries = create(RetriesConfigSchema, { policy: "exponential", delaySeconds: 3600, attempts: 100 });
    assert.deepEqual(verdictOn(refused, 100, retries, 0.5), retry(86_400_000, "connection refused"));
  });

  it("gives up after 15 retries by default", () => {
    assert.equal(verdictOn(refused, 15, undefined, 0.5).type, "retry");
    assert.deepEqual(verdictOn(refused, 16, undefined, 0.5), { type: "give_up", reason: "connection refused" });
  });

  it("retries the configured number of times, or not at all", () => {
    const retries = (attempts: number) => create(RetriesConfigSchema, { attempts });
    assert.equal(verdictOn(refused, 1, retries(0), 0.5).type, "give_up");
    assert.equal(verdictOn(refused, 3, retries(3), 0.5).type, "retry");
    assert.equal(verdictOn(refused, 4, retries(3), 0.5).type, "give_up");
  });

  it("counts a success at the last attempt as a success", () => {
    assert.equal(verdictOn(answered(204), 16, undefined, 0.5).type, "done");
  });
});

describe("the endpoints of a session", () => {
  it("are its own in their order, then the global one", () => {
    const own = [webhook("http://a.test/", "*"), webhook("http://b.test/", "message")];
    const endpoints = endpointsOf(own, webhook("http://global.test/", "*"));
    assert.deepEqual(
      endpoints.map((e) => e.config?.url),
      ["http://a.test/", "http://b.test/", "http://global.test/"],
    );
    assert.equal(endpoints[2]?.id, "global");
    assert.equal(new Set(endpoints.map((e) => e.id)).size, 3);
  });

  it("keep their id as long as their URL stays", () => {
    const before = endpointsOf([webhook("http://a.test/", "*"), webhook("http://b.test/", "*")], undefined);
    const after = endpointsOf([webhook("http://b.test/", "message"), webhook("http://c.test/")], undefined);
    assert.equal(after[0]?.id, before[1]?.id);
    assert.ok(!before.some((e) => e.id === after[1]?.id));
  });

  it("are separate when they share a URL but not the secret", () => {
    const signed = create(WebhookConfigSchema, { url: "http://a.test/", events: ["*"], hmac: { key: "key" } });
    const ids = endpointsOf([webhook("http://a.test/", "*"), signed], undefined).map((e) => e.id);
    assert.equal(new Set(ids).size, 2);
  });

  it("get the events they name, or all events for *", () => {
    const endpoints = endpointsOf(
      [webhook("http://a.test/", "message"), webhook("http://b.test/", "*"), webhook("http://c.test/")],
      webhook("http://global.test/", "session.status", "message"),
    );
    const [a, b] = endpoints.map((e) => e.id);
    assert.deepEqual(endpointIdsFor("message", endpoints), [a, b, "global"]);
    assert.deepEqual(endpointIdsFor("session.status", endpoints), [b, "global"]);
    assert.deepEqual(endpointIdsFor("message.any", endpoints), [b]);
    for (const name of eventNames) assert.ok(endpointIdsFor(name, endpoints).includes(b ?? ""), name);
  });

  it("do not get the event of a session's deletion, not even for *", () => {
    const endpoints = endpointsOf([webhook("http://a.test/", "*")], webhook("http://global.test/", "*"));
    assert.deepEqual(endpointIdsFor(deletedEventName, endpoints), []);
  });
});
