import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { create } from "@bufbuild/protobuf";
import { Engine_Kind, ProxyConfigSchema } from "../../../gen/sessiond/v1/session_pb.js";
import { proxyUser, startHttpProxy } from "../baileys/proxy-server.ts";
import { WebjsFixture, type WebjsSession } from "./webjs-fixture.ts";

/** The size in a PNG's header. */
function sizeOf(png: Uint8Array): [width: number, height: number] {
  const bytes = Buffer.from(png);
  assert.equal(bytes.toString("latin1", 1, 4), "PNG");
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
}

describe("the WEBJS factory", () => {
  let fixture: WebjsFixture;

  before(async () => {
    fixture = await WebjsFixture.start();
  });
  after(() => fixture.close());

  it("names the kind and the abilities of its engines", () => {
    const { factory } = fixture.session();
    assert.equal(factory.kind, Engine_Kind.WEBJS);
    assert.deepEqual(factory.abilities, ["pairingCodes", "screenshots", "sending", "messageFiles"]);
  });

  it("loads neither library before an engine is opened, nor does the server", async () => {
    const script = `
      import { registerHooks } from "node:module";
      const loaded = [];
      registerHooks({
        load(url, context, next) {
          loaded.push(url);
          return next(url, context);
        },
      });
      await import("./src/server.ts");
      const { createWwebjsFactory } = await import("./src/adapters/wwebjs/factory.ts");
      const factory = createWwebjsFactory({ clock: {}, profilesDirectory: "/nowhere" });
      await factory.obstacle();
      await factory.browser();
      const count = (name) => loaded.filter((url) => url.includes("/node_modules/" + name)).length;
      console.log(count("@connectrpc") > 0, count("puppeteer"), count("whatsapp-web.js"), count("@sparticuz"));
      process.exitCode = 0;`;
    const cwd = join(import.meta.dirname, "../../..");
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { cwd });
    assert.equal(stdout.trim(), "true 0 0 0");
  });

  it("makes engines that take a screenshot while they wait for a phone, and when open", async () => {
    const session = fixture.session();
    const engine = session.open();
    const early = engine.takeScreenshot();
    const { value } = await engine.until("qr");
    assert.deepEqual(sizeOf(await early), [1024, 768]);
    const waiting = await engine.takeScreenshot();
    await session.phone.scan(value);
    await engine.until("opened");
    const open = await engine.takeScreenshot();
    assert.deepEqual(
      [sizeOf(waiting), sizeOf(open)],
      [
        [1024, 768],
        [1024, 768],
      ],
    );
    assert.notDeepEqual(waiting, open);
    await engine.engine.close();
    await assert.rejects(engine.takeScreenshot());
  });

  it("does not load resources that only a human would see", async () => {
    const session = fixture.session();
    const seen = fixture.whatsapp.requests.length;
    await (await session.working()).engine.close();
    const requests = fixture.whatsapp.requests.slice(seen);
    assert.ok(requests.includes("GET /app.js"));
    assert.deepEqual(
      requests.filter((request) => /woff2|mp4/.test(request)),
      [],
    );
  });

  describe("with a proxy", () => {
    const through = (port: number, password: string) =>
      create(ProxyConfigSchema, { server: `127.0.0.1:${port}`, username: proxyUser.username, password });
    const session = () => fixture.session({ extraArgs: [fixture.whatsapp.pinArg] });

    it("goes to WhatsApp Web and its socket through it, with user and password", async (t) => {
      const proxy = await startHttpProxy(fixture.whatsapp.port);
      t.after(() => proxy.close());
      const proxied = session();
      proxied.config.proxy = through(proxy.port, proxyUser.password);
      await (await proxied.working()).engine.close();
      assert.ok(proxy.tunnels() >= 2);
    });

    it("closes, without telling the password, when the proxy does not accept it", async (t) => {
      const proxy = await startHttpProxy();
      t.after(() => proxy.close());
      const proxied = session();
      proxied.config.proxy = through(proxy.port, "s3cret-wrong");
      const closed = await proxied.open().until("closed");
      assert.equal(closed.cause, "unreachable");
      assert.match(closed.message, /proxy/i);
      assert.doesNotMatch([closed.message, ...proxied.log].join(), /s3cret-wrong/);
    });

    it("closes when the proxy is not there", async () => {
      const proxied = session();
      proxied.config.proxy = through(1, proxyUser.password);
      const closed = await proxied.open().until("closed");
      assert.equal(closed.cause, "unreachable");
      assert.match(closed.message, /ERR_PROXY_CONNECTION_FAILED/);
    });

    it("closes when it would have to log in at a SOCKS proxy", async () => {
      const proxied = session();
      proxied.config.proxy = create(ProxyConfigSchema, { server: "socks5://127.0.0.1:1", password: "x" });
      assert.equal((await proxied.open().until("closed")).cause, "rejected");
    });
  });

  describe("uses the profile with the login", () => {
    let paired: WebjsSession;

    before(async () => {
      paired = fixture.session();
      await (await paired.working()).engine.close();
    });

    it("and closes instead of making a new login when the profile is missing", async () => {
      const [profile = ""] = await paired.profiles();
      await rename(profile, `${profile}-away`);
      const closed = await paired.open().until("closed");
      assert.equal(closed.cause, "credentials_unreadable");
      await rename(`${profile}-away`, profile);
      const engine = paired.open();
      await engine.until("opened");
      await engine.engine.close();
    });

    it("and closes when the credentials are damaged", async () => {
      const session = fixture.session();
      for (const text of ["{", "null", '{"id":"../..","state":"paired"}', '{"id":1}']) {
        session.credentials.values.set("profile", Buffer.from(text));
        assert.equal((await session.open().until("closed")).cause, "credentials_unreadable");
      }
    });

    it("and begins with a fresh one when the credentials are wiped, the old one gone", async () => {
      const [old = ""] = await paired.profiles();
      await writeFile(join(old, "left behind"), "");
      paired.credentials.values.clear();
      const engine = paired.open();
      await engine.until("qr");
      const profiles = await paired.profiles();
      assert.equal(profiles.length, 1);
      assert.notEqual(profiles[0], old);
      await engine.engine.close();
    });

    it("and discards it with everything when asked to, when the engine has left it", async () => {
      const engine = paired.open();
      await engine.until("qr");
      void engine.engine.close();
      await paired.factory.files?.discard("alice");
      assert.deepEqual(await paired.profiles(), []);
      await paired.factory.files?.discard("alice");
    });

    it("for a phone that took the code just before everything stopped", async () => {
      const session = fixture.session();
      const engine = session.open();
      const { value } = await engine.until("qr");
      const before = new Map(session.credentials.values);
      await session.phone.scan(value);
      await engine.until("opened");
      await engine.engine.close();
      // As if the process had ended before the login was recorded.
      session.credentials.values.clear();
      for (const [key, bytes] of before) session.credentials.values.set(key, bytes);
      const next = session.open();
      await next.until("opened");
      assert.deepEqual(
        next.seen.map((event) => event.type),
        ["paired", "opened"],
      );
    });
  });

  it("makes a profile's directory for its owner only", async () => {
    const session = fixture.session();
    const engine = session.open();
    await engine.until("qr");
    await engine.engine.close();
    const [profile = ""] = await session.profiles();
    assert.equal((await stat(profile)).mode & 0o777, 0o700);
  });
});
