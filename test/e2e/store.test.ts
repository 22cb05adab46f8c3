import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { startWhatsApp } from "../emulator/whatsapp.ts";
import { openHarness } from "./harness.ts";
import { RestClient } from "./rest-client.ts";
import { ServerProcess } from "./server-process.ts";
import { WebhookInbox } from "./webhook-inbox.ts";

const run = promisify(execFile);
const main = new URL("../../src/main.ts", import.meta.url).pathname;
const secret = () => randomBytes(12).toString("hex");
const newKey = () => randomBytes(32).toString("base64");

/** Returns the files below a directory that contain one of the texts. */
async function filesWith(directory: string, texts: readonly string[]): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const hits = await Promise.all(
    files.map(async (path) => {
      const bytes = await readFile(path);
      return texts.some((text) => bytes.includes(text)) ? [path] : [];
    }),
  );
  return hits.flat();
}

type Harness = Awaited<ReturnType<typeof openHarness>>;

/** Creates a session and pairs it. */
async function paired({ whatsapp, rest }: Pick<Harness, "whatsapp" | "rest">, config: object) {
  const phone = whatsapp.phone(undefined, { name: "Alice" });
  await rest.post("/api/sessions", { name: "alice", config });
  await phone.scan(await rest.qrCode("alice"));
  await rest.untilStatus("alice", "WORKING");
  return phone;
}

describe("the store", () => {
  it("a store with a key contains no secret in clear, and a wrong key ends the start", async (t) => {
    await using stack = new AsyncDisposableStack();
    const whatsapp = await startWhatsApp();
    stack.defer(() => whatsapp.close());
    const hook = stack.use(await WebhookInbox.open());
    const env: Record<string, string> = {
      SESSIOND_NOWEB_URL: whatsapp.url,
      WAHA_LOG_LEVEL: "debug",
      SESSIOND_SECRET_KEY: newKey(),
    };
    const server = stack.use(await ServerProcess.start(env));
    const rest = new RestClient(() => server.baseUrl);
    const planted = { hmac: secret(), header: secret(), userinfo: secret(), metadata: secret(), text: secret() };
    const config = {
      debug: true,
      metadata: { owner: planted.metadata },
      webhooks: [
        {
          url: hook.url.replace("http://", `http://user:${planted.userinfo}@`),
          events: ["*"],
          hmac: { key: planted.hmac },
          customHeaders: [{ name: "X-Token", value: planted.header }],
        },
      ],
    };
    // Failed deliveries stay in the store.
    hook.status = 500;
    const phone = await paired({ whatsapp, rest }, config);
    await whatsapp.phone(undefined, { name: "Bob" }).sendTextTo(phone, planted.text);
    const proxyPassword = secret();
    const proxy = { server: "127.0.0.1:9", username: "user", password: proxyPassword };
    await rest.post("/api/sessions", { name: "bob", start: false, config: { proxy } });
    const texts = [...Object.values(planted), proxyPassword, "signedIdentityKey", "advSecretKey", "noiseKey"];

    hook.status = 200;
    const { headers } = await hook.until((taken) => taken.find(({ body }) => body.payload.body === planted.text));
    assert.equal(headers["x-token"], planted.header);
    const { body: backup, status } = await rest.post("/api/server/backup");
    assert.equal(status, 201);
    assert.equal((await stat(String(backup.path))).mode & 0o777, 0o700);
    assert.deepEqual(await filesWith(server.directory, texts), []);
    assert.deepEqual(
      server.log.filter((line) => texts.some((text) => line.includes(text))),
      [],
    );

    await t.test("and another key takes its place without a new pairing", async () => {
      await server.kill("SIGTERM");
      const former = String(env.SESSIOND_SECRET_KEY);
      env.SESSIOND_SECRET_KEY = newKey();
      await assert.rejects(server.restart(), /encrypted with another key than SESSIOND_SECRET_KEY/);
      env.SESSIOND_SECRET_KEY_PREVIOUS = former;
      await server.restart();
      await rest.untilStatus("alice", "WORKING");
      assert.equal(whatsapp.counters.pairings, 1);
      assert.deepEqual(await filesWith(server.directory, texts), []);
    });
  });

  it("a store without a key contains them in clear", async () => {
    await using harness = await openHarness();
    const planted = secret();
    const config = { ...harness.config, proxy: { server: "127.0.0.1:9", password: planted } };
    await harness.rest.post("/api/sessions", { name: "alice", start: false, config });
    assert.equal((await filesWith(harness.server.directory, [planted])).length, 1);
  });

  const skip = process.platform !== "linux" && "only Linux can limit the files of another process (prlimit)";
  it("a full disk is reported to probes and callers, and no message is lost", {
    skip,
  }, async () => {
    await using harness = await openHarness();
    const { whatsapp, hook, server, rest } = harness;
    const phone = await paired(harness, harness.config);
    const bob = whatsapp.phone(undefined, { name: "Bob" });
    const limit = (bytes: string) => run("prlimit", [`--pid=${server.pid}`, `--fsize=${bytes}:`]);

    await limit("1");
    const refused = await rest.post("/api/sessions", { name: "carol", start: false });
    assert.equal(refused.status, 503);
    assert.equal((await rest.get("/health")).status, 503);
    assert.equal((await rest.get("/api/sessions/alice")).body.status, "WORKING");
    assert.equal((await rest.get("/api/sessions/carol")).status, 404);
    const sending = bob.sendTextTo(phone, "sent to a full disk");
    await rest.get("/health");
    assert.ok(!hook.taken.some(({ body }) => body.payload.body === "sent to a full disk"));

    await limit("unlimited");
    await sending;
    const texts = () => hook.taken.filter(({ body }) => body.event === "message").map(({ body }) => body.payload.body);
    await hook.until(() => texts().length > 0);
    await bob.sendTextTo(phone, "and one more");
    await hook.until(() => texts().length > 1);
    assert.deepEqual(texts(), ["sent to a full disk", "and one more"]);
    assert.equal((await rest.get("/health")).status, 200);
    assert.equal((await rest.post("/api/sessions", { name: "carol", start: false })).status, 201);
    assert.equal((await rest.get("/api/sessions/alice")).body.status, "WORKING");
    assert.equal(whatsapp.counters.pairings, 1);
  });

  it("a backup is restored by its command, and refused if it is too old", async () => {
    await using harness = await openHarness();
    const { server, rest, whatsapp, hook } = harness;
    const phone = await paired(harness, harness.config);
    await rest.post("/api/sessions", { name: "bob", start: false });
    const { body: backup } = await rest.post("/api/server/backup");
    await rest.delete("/api/sessions/bob");
    await whatsapp.phone(undefined, { name: "Bob" }).sendTextTo(phone, "which turns a ratchet");
    await hook.until((taken) => taken.some(({ body }) => body.event === "message"));
    const env = { PATH: process.env.PATH ?? "", WAHA_LOCAL_STORE_BASE_DIR: join(server.directory, "sessions") };
    const restore = (...args: string[]) =>
      run(process.execPath, [main, "restore", ...args, String(backup.path)], { env });
    await assert.rejects(restore("--force"), /in use by another sessiond/);
    await server.kill("SIGTERM");
    await assert.rejects(restore(), /has changed credentials/);
    const { stdout } = await restore("--force");
    assert.match(stdout, /is now that of the backup/);
    await server.restart();
    assert.equal((await rest.get("/api/sessions/bob")).status, 200);
    await rest.untilStatus("alice", "WORKING");
    assert.equal(whatsapp.counters.pairings, 1);
  });
});
