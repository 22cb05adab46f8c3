import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { RestClient } from "./rest-client.ts";
import { ServerProcess } from "./server-process.ts";
import { temporaryDirectory } from "./start.ts";

const root = new URL("../../", import.meta.url).pathname;

/** Runs the image's health check against a server and returns its exit code. */
async function healthCheck(env: Readonly<Record<string, string>>): Promise<number | null> {
  const child = spawn(process.execPath, [join(root, "src/commands/health.ts")], { env, stdio: "inherit" });
  const [code] = await once(child, "close");
  return code;
}

describe("the image", () => {
  it("stores sessions in the directory that WAHA documents", async () => {
    const dockerfile = await readFile(join(root, "Dockerfile"), "utf8");
    assert.match(dockerfile, /^WORKDIR \/app$/m);
    assert.match(dockerfile, /^VOLUME \/app\/\.sessions$/m);
    assert.doesNotMatch(dockerfile, /WAHA_LOCAL_STORE_BASE_DIR|WHATSAPP_API_HOSTNAME/);
  });

  it("uses an earlier image's store until the new directory has one", async (t) => {
    const former = join(await temporaryDirectory(t), "data");
    await using earlier = await ServerProcess.start({ WAHA_LOCAL_STORE_BASE_DIR: former });
    const rest = new RestClient(() => earlier.baseUrl);
    await rest.post("/api/sessions", { name: "kept", start: false });
    await earlier.kill("SIGTERM");
    // Unset as in the image: the default is below the working directory.
    await earlier.restart({ WAHA_LOCAL_STORE_BASE_DIR: "", SESSIOND_FORMER_BASE_DIR: former });
    assert.equal((await rest.get("/api/sessions/kept")).status, 200);
    assert.match(earlier.log.join("\n"), /directory of an earlier image/);
    await earlier.kill("SIGTERM");
    await earlier.restart({ WAHA_LOCAL_STORE_BASE_DIR: "" });
    await earlier.kill("SIGTERM");
    await earlier.restart({ WAHA_LOCAL_STORE_BASE_DIR: "", SESSIOND_FORMER_BASE_DIR: former });
    assert.equal((await rest.get("/api/sessions/kept")).status, 404);
  });

  it("is healthy while its server answers, whatever the port and the address", async () => {
    await using server = await ServerProcess.start();
    const { port } = new URL(server.baseUrl);
    assert.equal(await healthCheck({ PORT: port }), 0);
    assert.equal(await healthCheck({ PORT: port, SESSIOND_HOST: "0.0.0.0" }), 0);
    assert.equal(await healthCheck({ PORT: `"${port}"`, WHATSAPP_API_PORT: "tcp://10.0.0.1:80" }), 0);
    await server.kill("SIGTERM");
    assert.equal(await healthCheck({ PORT: port }), 1);
  });
});
