import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { it } from "node:test";
import { ConfigError, readConfig } from "../../src/config/config.ts";

const [one, two, three] = [randomBytes(32), randomBytes(32), randomBytes(32)];
const files: Record<string, string> = { "/run/key": `${one.toString("base64")}\n` };
const readFile = async (path: string) => {
  const text = files[path];
  if (text === undefined) throw new Error("ENOENT: no such file");
  return text;
};
const keysFrom = async (env: Record<string, string>) => (await readConfig(readFile, env)).secrets.sealKeys;

it("the store's key is read as base64, as hexadecimal digits, or from a file", async () => {
  assert.equal(await keysFrom({}), undefined);
  assert.deepEqual((await keysFrom({ SESSIOND_SECRET_KEY: one.toString("base64") }))?.current, one);
  assert.deepEqual((await keysFrom({ SESSIOND_SECRET_KEY: one.toString("base64url") }))?.current, one);
  assert.deepEqual((await keysFrom({ SESSIOND_SECRET_KEY: one.toString("hex") }))?.current, one);
  assert.deepEqual((await keysFrom({ SESSIOND_SECRET_KEY_FILE: "/run/key" }))?.current, one);
});

it("former keys are a list", async () => {
  const previous = `${two.toString("hex")}, ${three.toString("base64")}`;
  const keys = await keysFrom({ SESSIOND_SECRET_KEY: one.toString("hex"), SESSIOND_SECRET_KEY_PREVIOUS: previous });
  assert.deepEqual(keys?.previous, [two, three]);
});

it("what is no key is refused by name, and not repeated", async () => {
  const key = one.toString("hex");
  const refused: [Record<string, string>, RegExp][] = [
    [{ SESSIOND_SECRET_KEY: "hunter2" }, /^SESSIOND_SECRET_KEY must be 32 bytes/],
    [{ SESSIOND_SECRET_KEY: key.slice(2) }, /^SESSIOND_SECRET_KEY must be 32 bytes/],
    [{ SESSIOND_SECRET_KEY: key, SESSIOND_SECRET_KEY_PREVIOUS: "hunter2" }, /^SESSIOND_SECRET_KEY_PREVIOUS must be/],
    [{ SESSIOND_SECRET_KEY_PREVIOUS: key }, /PREVIOUS is set, but SESSIOND_SECRET_KEY is not/],
    [{ SESSIOND_SECRET_KEY: key, SESSIOND_SECRET_KEY_FILE: "/run/key" }, /both set/],
    [{ SESSIOND_SECRET_KEY_FILE: "/run/none" }, /^SESSIOND_SECRET_KEY_FILE: ENOENT/],
  ];
  for (const [env, message] of refused) {
    await assert.rejects(keysFrom(env), (error: Error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, message);
      assert.ok(!error.message.includes("hunter2") && !error.message.includes(key.slice(2)));
      return true;
    });
  }
});
