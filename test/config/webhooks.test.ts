import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigError, readConfig } from "../../src/config/config.ts";

const noFile = () => Promise.reject(new Error("no file"));
const configOf = async (env: Record<string, string>) => (await readConfig(noFile, env)).config;
const dayMs = 86_400_000;

/** True if webhooks are kept out of the network inside, and metrics are served. */
const cases: [Record<string, string>, { guard: boolean; metrics: boolean }][] = [
  [{}, { guard: false, metrics: false }],
  [{ SESSIOND_HOST: "::1" }, { guard: false, metrics: false }],
  [{ SESSIOND_METRICS: "true" }, { guard: false, metrics: true }],
  [{ SESSIOND_WEBHOOK_GUARD: "true" }, { guard: true, metrics: false }],
  [{ WAHA_API_KEY: "key" }, { guard: true, metrics: true }],
  [
    { WAHA_API_KEY: "key", SESSIOND_METRICS: "false" },
    { guard: true, metrics: false },
  ],
  [
    { WAHA_API_KEY: "key", SESSIOND_HOST: "127.0.0.1" },
    { guard: false, metrics: true },
  ],
  [
    { SESSIOND_HOST: "0.0.0.0", WAHA_NO_API_KEY: "true" },
    { guard: true, metrics: false },
  ],
  [
    { SESSIOND_HOST: "10.0.0.5", SESSIOND_WEBHOOK_GUARD: "false" },
    { guard: false, metrics: true },
  ],
];

describe("the settings of webhooks", () => {
  for (const [env, { guard, metrics }] of cases) {
    it(`${JSON.stringify(env)}: ${guard ? "guarded" : "free"}, ${metrics ? "with" : "without"} metrics`, async () => {
      const config = await configOf(env);
      assert.deepEqual([config.webhooks.guard, config.metrics], [guard, metrics]);
    });
  }

  it("bound what is kept of the past", async () => {
    assert.deepEqual((await configOf({})).webhooks.retention, {
      events: { maxCount: 10_000, maxAgeMs: 7 * dayMs },
      delivered: { maxCount: 1_000, maxAgeMs: 7 * dayMs },
      failed: { maxCount: 10_000, maxAgeMs: 30 * dayMs },
      sent: { maxCount: 10_000, maxAgeMs: 14 * dayMs },
    });
    const config = await configOf({
      SESSIOND_EVENT_LOG_MAX: "5",
      SESSIOND_EVENT_LOG_MAX_AGE_DAYS: "0.5",
      SESSIOND_DELIVERY_LOG_MAX: "0",
      SESSIOND_DEAD_LETTERS_MAX: "7",
      SESSIOND_DEAD_LETTERS_MAX_AGE_DAYS: "1",
      SESSIOND_SENT_MESSAGES_MAX: "9",
    });
    assert.deepEqual(config.webhooks.retention, {
      events: { maxCount: 5, maxAgeMs: dayMs / 2 },
      delivered: { maxCount: 0, maxAgeMs: 7 * dayMs },
      failed: { maxCount: 7, maxAgeMs: dayMs },
      sent: { maxCount: 9, maxAgeMs: 14 * dayMs },
    });
    await assert.rejects(configOf({ SESSIOND_EVENT_LOG_MAX: "-1" }), ConfigError);
  });

  it("keep files out of the network inside wherever the server listens, unless the guard is off", async () => {
    for (const [env] of cases) {
      assert.equal((await configOf(env)).media.guard, env.SESSIOND_WEBHOOK_GUARD !== "false", JSON.stringify(env));
    }
  });

  it("list where webhooks may go all the same", async () => {
    const { webhooks } = await configOf({ SESSIOND_WEBHOOK_ALLOW: "10.0.0.0/8, n8n" });
    assert.deepEqual(webhooks.allow, ["10.0.0.0/8", "n8n"]);
  });
});
