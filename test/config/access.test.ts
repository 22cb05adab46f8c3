import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Access, ConfigError, readConfig } from "../../src/config/config.ts";

const noFile = () => Promise.reject(new Error("no file is read"));
const read = (env: Record<string, string>) => readConfig(noFile, env);
const hash = "AB".repeat(64);

type Row = readonly [env: Record<string, string>, host: string, access: Access, apiKey?: string];

const rows: readonly Row[] = [
  [{}, "127.0.0.1", "this_machine"],
  [{ WAHA_API_KEY: "" }, "127.0.0.1", "this_machine"],
  [{ WAHA_API_KEY: "  " }, "127.0.0.1", "this_machine"],
  [{ SESSIOND_HOST: "localhost" }, "localhost", "this_machine"],
  [{ SESSIOND_HOST: "127.0.0.9" }, "127.0.0.9", "this_machine"],
  [{ SESSIOND_HOST: "::1" }, "::1", "this_machine"],
  [{ SESSIOND_HOST: "0.0.0.0" }, "0.0.0.0", "generated_key"],
  [{ SESSIOND_HOST: "::" }, "::", "generated_key"],
  [{ SESSIOND_HOST: "::ffff:10.0.0.1" }, "::ffff:10.0.0.1", "generated_key"],
  [{ SESSIOND_HOST: "localhost.example" }, "localhost.example", "generated_key"],
  [{ SESSIOND_HOST: "127.0.0.1.example" }, "127.0.0.1.example", "generated_key"],
  [{ SESSIOND_HOST: "0.0.0.0", WAHA_NO_API_KEY: "false" }, "0.0.0.0", "generated_key"],
  [{ SESSIOND_HOST: "0.0.0.0", WAHA_NO_API_KEY: "true" }, "0.0.0.0", "everybody"],
  [{ WAHA_NO_API_KEY: "true" }, "127.0.0.1", "this_machine"],
  [{ WAHA_API_KEY: "k" }, "0.0.0.0", "key", "k"],
  [{ WAHA_API_KEY: " k\n" }, "0.0.0.0", "key", "k"],
  [{ WHATSAPP_API_KEY: "k" }, "0.0.0.0", "key", "k"],
  [{ WAHA_API_KEY: " ", WHATSAPP_API_KEY: "k" }, "0.0.0.0", "key", "k"],
  [{ WAHA_API_KEY: "a", WHATSAPP_API_KEY: "b" }, "0.0.0.0", "key", "a"],
  [{ WAHA_API_KEY: `sha512:${hash}` }, "0.0.0.0", "key", `sha512:${hash}`],
  [{ WAHA_API_KEY: "k", SESSIOND_HOST: "127.0.0.1" }, "127.0.0.1", "key", "k"],
  [{ WAHA_API_KEY: "k", WAHA_NO_API_KEY: "false" }, "0.0.0.0", "key", "k"],
];

describe("who may call", () => {
  for (const [env, host, access, apiKey] of rows) {
    it(`with ${JSON.stringify(env)}: ${access}, at ${host}`, async () => {
      const { config, secrets } = await read(env);
      assert.deepEqual([config.host, config.access, secrets.apiKey], [host, access, apiKey]);
      assert.equal(apiKey !== undefined && Object.values(config).includes(apiKey), false);
    });
  }

  it("a key and none at once is an error that names both", async () => {
    for (const name of ["WAHA_API_KEY", "WHATSAPP_API_KEY"]) {
      await assert.rejects(read({ [name]: "secret-key", WAHA_NO_API_KEY: "true" }), (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, new RegExp(`${name} .*WAHA_NO_API_KEY`));
        assert.doesNotMatch(error.message, /secret-key/);
        return true;
      });
    }
  });

  it("a hash that is none is an error that does not show it", async () => {
    for (const value of ["sha512:", "sha512:zz", `sha512:${hash}00`, `sha512:${"g".repeat(128)}`]) {
      await assert.rejects(read({ WAHA_API_KEY: value }), (error) => {
        assert.ok(error instanceof ConfigError);
        assert.equal(error.message, "WAHA_API_KEY must be the key itself, or sha512: and 128 hexadecimal digits");
        return true;
      });
    }
  });

  it("paths without a key and hosts without one are lists", async () => {
    const { config } = await read({
      WAHA_API_KEY_EXCLUDE_PATH: "health, ping",
      WHATSAPP_API_KEY_EXCLUDE_PATH: "api/server/version",
      SESSIOND_ALLOWED_HOSTS: "a.example,,b.example",
    });
    assert.deepEqual(config.openPaths, ["health", "ping", "api/server/version"]);
    assert.deepEqual(config.allowedHosts, ["a.example", "b.example"]);
  });
});
