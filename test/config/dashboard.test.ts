import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readConfig } from "../../src/config/config.ts";

const noFile = () => Promise.reject(new Error("no file"));
const read = (env: Record<string, string>) => readConfig(noFile, env);

const modes: readonly [env: Record<string, string>, mode: string][] = [
  [{}, "on"],
  [{ SESSIOND_DASHBOARD: "on" }, "on"],
  [{ SESSIOND_DASHBOARD: "readonly" }, "readonly"],
  [{ SESSIOND_DASHBOARD: "off" }, "off"],
  [{ WAHA_DASHBOARD_ENABLED: "true" }, "on"],
  [{ WAHA_DASHBOARD_ENABLED: "false" }, "off"],
  [{ WAHA_DASHBOARD_ENABLED: "false", SESSIOND_DASHBOARD: "on" }, "off"],
  [{ WAHA_DASHBOARD_ENABLED: "true", SESSIOND_DASHBOARD: "off" }, "off"],
];

describe("the settings of the dashboard", () => {
  for (const [env, mode] of modes) {
    it(`${JSON.stringify(env)} is ${mode}`, async () => {
      assert.equal((await read(env)).config.dashboard, mode);
    });
  }

  it("name the variable with a wrong value", async () => {
    await assert.rejects(read({ SESSIOND_DASHBOARD: "maybe" }), /SESSIOND_DASHBOARD/);
    await assert.rejects(read({ WAHA_DASHBOARD_ENABLED: "maybe" }), /WAHA_DASHBOARD_ENABLED/);
  });

  const logins: readonly [env: Record<string, string>, login: object | undefined, warned: string[]][] = [
    [{}, undefined, []],
    [{ WAHA_DASHBOARD_USERNAME: "ann", WAHA_DASHBOARD_PASSWORD: "pw" }, { username: "ann", password: "pw" }, []],
    [{ WAHA_DASHBOARD_PASSWORD: "pw" }, { username: "admin", password: "pw" }, []],
    [{ WAHA_DASHBOARD_USERNAME: "ann" }, undefined, ["WAHA_DASHBOARD_USERNAME"]],
  ];
  for (const [env, login, warned] of logins) {
    it(`${Object.keys(env).join(" and ") || "nothing"} makes ${login ? "a" : "no"} login beside the key`, async () => {
      const { config, secrets } = await read({ ...env, WAHA_API_KEY: "key" });
      assert.deepEqual(secrets.dashboardLogin, login);
      assert.deepEqual(
        config.warnings.map(({ variable }) => variable),
        warned,
      );
    });
  }

  it("warn that a password is useless without a key", async () => {
    const { config } = await read({ WAHA_DASHBOARD_PASSWORD: "pw" });
    assert.deepEqual(
      config.warnings.map(({ variable }) => variable),
      ["WAHA_DASHBOARD_PASSWORD"],
    );
    assert.doesNotMatch(JSON.stringify(config.warnings), /pw"/);
  });
});
