import assert from "node:assert/strict";
import { it } from "node:test";
import { ConfigError, readConfig } from "../../src/config/config.ts";

const read = async (env: Record<string, string>) => {
  const { config, secrets } = await readConfig(() => Promise.reject(new Error("no file")), env);
  return { docs: config.docs, login: secrets.docsLogin };
};

it("the documentation is for everybody unless the environment says otherwise", async () => {
  assert.deepEqual(await read({}), { docs: true, login: undefined });
  assert.deepEqual(await read({ WHATSAPP_SWAGGER_ENABLED: "false" }), { docs: false, login: undefined });
  assert.deepEqual(await read({ WHATSAPP_SWAGGER_USERNAME: "admin", WHATSAPP_SWAGGER_PASSWORD: "secret" }), {
    docs: true,
    login: { username: "admin", password: "secret" },
  });
});

it("half a login for the documentation is a mistake, and its value is not repeated", async () => {
  for (const name of ["WHATSAPP_SWAGGER_USERNAME", "WHATSAPP_SWAGGER_PASSWORD"]) {
    await assert.rejects(
      read({ [name]: "hunter2" }),
      (error) => error instanceof ConfigError && error.message.includes(name) && !error.message.includes("hunter2"),
    );
  }
});
