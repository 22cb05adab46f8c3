import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { ProxyConfigSchema } from "../../../gen/sessiond/v1/session_pb.js";
import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import { openProxy } from "../../../src/adapters/baileys/proxy.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { EngineSession } from "../../contract/engine-session.ts";
import { startWhatsApp, type WhatsApp } from "../../emulator/whatsapp.ts";
import { proxyUser, startHttpProxy, startSilentProxy, startSocksProxy, type TestProxy } from "./proxy-server.ts";

const kinds = [
  { name: "an HTTP proxy", start: startHttpProxy, scheme: "" },
  { name: "a SOCKS proxy", start: startSocksProxy, scheme: "socks5://" },
];

describe("a NOWEB engine behind a proxy", () => {
  let whatsapp: WhatsApp;
  const proxies: TestProxy[] = [];

  const sessionThrough = (server: string, credentials: { username?: string; password?: string } = {}) => {
    const session = new EngineSession(createBaileysFactory({ clock: systemClock, waWebSocketUrl: whatsapp.url }));
    session.config.proxy = create(ProxyConfigSchema, { server, ...credentials });
    return session;
  };
  const started = async (start: () => Promise<TestProxy>) => {
    const proxy = await start();
    proxies.push(proxy);
    return proxy;
  };

  before(async () => {
    whatsapp = await startWhatsApp();
  });
  after(async () => {
    await Promise.all([whatsapp.close(), ...proxies.map((proxy) => proxy.close())]);
  });

  for (const { name, start, scheme } of kinds) {
    it(`connects through ${name}, with user and password`, async () => {
      const proxy = await started(start);
      const session = sessionThrough(`${scheme}127.0.0.1:${proxy.port}`, proxyUser);
      const engine = session.open();
      await engine.until("qr");
      assert.equal(proxy.tunnels(), 1);
      await session.close();
    });

    it(`closes with the reason when ${name} refuses it, and shows no password`, async () => {
      const proxy = await started(start);
      const session = sessionThrough(`${scheme}127.0.0.1:${proxy.port}`, { username: "mallory", password: "hunter2" });
      const { cause, message } = await session.open().until("closed");
      assert.equal(cause, "unreachable");
      assert.match(message, /credentials|Authentication/);
      assert.doesNotMatch([message, ...session.log].join("\n"), /hunter2/);
      assert.equal(proxy.tunnels(), 0);
    });

    it(`downloads through ${name} too`, async () => {
      const proxy = await started(start);
      const target = createServer((_request, response) => response.end("history"));
      target.listen(0, "127.0.0.1");
      await once(target, "listening");
      const { port } = target.address() as AddressInfo;
      const server = `${scheme}127.0.0.1:${proxy.port}`;
      const { dispatcher, close } = openProxy(create(ProxyConfigSchema, { server, ...proxyUser }));
      const init: object = { dispatcher };
      const response = await fetch(`http://127.0.0.1:${port}/`, init);
      assert.equal(await response.text(), "history");
      assert.equal(proxy.tunnels(), 1);
      close();
      target.close();
      target.closeAllConnections();
    });
  }

  it("names the proxy that is not there", async () => {
    const { cause, message } = await sessionThrough("localhost:1").open().until("closed");
    assert.equal(cause, "unreachable");
    assert.equal(message, "Could not connect to WhatsApp through the proxy localhost:1: ECONNREFUSED");
  });

  it("closes soon while an HTTP proxy does not answer", async () => {
    const proxy = await started(startSilentProxy);
    const session = sessionThrough(`127.0.0.1:${proxy.port}`);
    const { engine } = session.open();
    await engine.close();
  });
});
