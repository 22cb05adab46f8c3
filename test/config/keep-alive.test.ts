import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigError, readConfig } from "../../src/config/config.ts";

const read = async (env: Record<string, string>) =>
  (await readConfig(() => Promise.reject(new Error("no file")), env)).config.keepAlive;

describe("how long connections are kept", () => {
  it("is longer than load balancers keep theirs, unless told otherwise", async () => {
    assert.deepEqual(await read({}), { http1Ms: 620_000, http2Ms: 620_000, pingMs: 10_000 });
  });

  it("is set in seconds, for each protocol", async () => {
    const env = {
      SESSIOND_KEEP_ALIVE_SECONDS: "7",
      SESSIOND_HTTP2_IDLE_SECONDS: "0",
      SESSIOND_HTTP2_PING_SECONDS: "2.5",
    };
    assert.deepEqual(await read(env), { http1Ms: 7_000, http2Ms: 0, pingMs: 2_500 });
  });

  for (const [name, values] of Object.entries({
    SESSIOND_KEEP_ALIVE_SECONDS: ["-1", "86401", "65s", "1e9", "NaN"],
    SESSIOND_HTTP2_IDLE_SECONDS: ["-1", "86401", "10 min"],
    SESSIOND_HTTP2_PING_SECONDS: ["0", "-1", "3601", "fast"],
  })) {
    it(`${name} outside its range is an error that names it`, async () => {
      for (const value of values) {
        await assert.rejects(
          read({ [name]: value }),
          (error) => error instanceof ConfigError && error.message.startsWith(`${name} must be a number from `),
        );
      }
    });
  }
});
