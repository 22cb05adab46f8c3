import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { namelessUid, startMain, temporaryDirectory } from "./start.ts";

describe("a start", () => {
  const environments: readonly Readonly<Record<string, string>>[] = [
    { DEBUG: "*" },
    { DEBUG: "puppeteer:*" },
    { DEBUG: "*,-express:*" },
    { WHATSAPP_API_PORT: "tcp://10.0.0.1:80" },
    { WHATSAPP_API_HOSTNAME: "no-address-of-this-machine.example" },
    { WAHA_LOG_LEVEL: '"info"' },
  ];
  for (const env of environments) {
    it(`succeeds with ${JSON.stringify(env)}`, async (t) => {
      const base = join(await temporaryDirectory(t), "sessions");
      const { listens, output } = await startMain({ ...env, WAHA_LOCAL_STORE_BASE_DIR: base });
      assert.ok(listens, output);
    });
  }

  it("succeeds without a user name and a home directory, for both engines", async (t) => {
    const directory = await temporaryDirectory(t);
    const base = join(directory, "sessions");
    await mkdir(base);
    await chmod(base, 0o777);
    for (const WHATSAPP_DEFAULT_ENGINE of ["NOWEB", "WEBJS"]) {
      const env = { WAHA_LOCAL_STORE_BASE_DIR: base, WHATSAPP_DEFAULT_ENGINE };
      const { listens, output } = await startMain(env, { uid: namelessUid });
      assert.ok(listens, output);
    }
  });

  it("logs the variables that it changed or ignored, without their values", async (t) => {
    const base = join(await temporaryDirectory(t), "sessions");
    const { listens, output } = await startMain({
      WAHA_LOCAL_STORE_BASE_DIR: base,
      WAHA_API_KEY: '"s3cret"',
      WHATSAPP_API_PORT: "tcp://10.0.0.1:80",
    });
    assert.ok(listens, output);
    for (const variable of ["WAHA_API_KEY", "WHATSAPP_API_PORT"])
      assert.match(output, new RegExp(`WARN: ${variable} `));
    assert.doesNotMatch(output, /s3cret|10\.0\.0\.1/);
  });

  it("on a port in use ends", async (t) => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
    const address = server.address();
    const port = typeof address === "object" ? String(address?.port) : "";
    const base = join(await temporaryDirectory(t), "sessions");
    const { listens, code, output } = await startMain({ PORT: port, WAHA_LOCAL_STORE_BASE_DIR: base });
    assert.deepEqual([listens, code], [false, 1], output);
    assert.match(output, /EADDRINUSE/);
  });
});
