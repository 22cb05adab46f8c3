import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigError, readConfig } from "../../src/config/config.ts";

const versionOf = async (env: Record<string, string>) => {
  const { config } = await readConfig(() => Promise.reject(new Error("no file is read")), env);
  return config.nowebVersion;
};
const names = ["SESSIOND_NOWEB_VERSION", "WAHA_NOWEB_WA_VERSION"];

describe("the setting of NOWEB's client version", () => {
  for (const name of names) {
    for (const [value, expected] of [
      ["2.3000.1023456789", "2.3000.1023456789"],
      [" 2.2413.1 ", "2.2413.1"],
      ["2.3000.4294967295", "2.3000.4294967295"],
      ["auto-web", "auto-web"],
      ["AUTO-BAILEYS", "auto-baileys"],
      ["", undefined],
      [" ", undefined],
    ] as const) {
      it(`${name}=${value} is ${expected}`, async () => {
        assert.equal(await versionOf({ [name]: value }), expected);
      });
    }

    for (const value of [
      "auto",
      "latest",
      "2.3000",
      "2.3000.1.2",
      "v2.3000.1",
      "2.3000.x",
      "2.3000.4294967296",
      "-2.3.4",
    ]) {
      it(`${name}=${value} stops the start`, async () => {
        await assert.rejects(versionOf({ [name]: value }), (error) => {
          assert.ok(error instanceof ConfigError && error.message.startsWith(`${name} must be`), String(error));
          return true;
        });
      });
    }
  }

  it("has our name before WAHA's, and WAHA's where ours is empty", async () => {
    const waha = { WAHA_NOWEB_WA_VERSION: "2.3000.1" };
    assert.equal(await versionOf({ ...waha, SESSIOND_NOWEB_VERSION: "auto-web" }), "auto-web");
    assert.equal(await versionOf({ ...waha, SESSIOND_NOWEB_VERSION: "" }), "2.3000.1");
  });
});
