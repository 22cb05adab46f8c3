import assert from "node:assert/strict";
import { fork } from "node:child_process";
import dns from "node:dns";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { networkInterfaces } from "node:os";
import { describe, it, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { ProxyConfigSchema } from "../../../gen/sessiond/v1/session_pb.js";
import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { EngineSession } from "../../contract/engine-session.ts";
import { startWhatsApp } from "../../emulator/whatsapp.ts";
import { proxyUser, startHttpProxy, startSocksProxy } from "./proxy-server.ts";

const name = "dual.example";
const hasIpv6 = Object.values(networkInterfaces()).some((found) => found?.some(({ address }) => address === "::1"));
const first = hasIpv6 ? "::1" : "127.0.0.3";

/** Has the system resolve the name to these addresses, in this order. */
function resolveTo(t: TestContext, ...addresses: readonly string[]): void {
  const resolved = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  const { lookup } = dns;
  t.mock.method(dns, "lookup", (...args: unknown[]) => {
    const callback = args.at(-1) as (error: null, found: typeof resolved) => void;
    if (args[0] === name) setImmediate(callback, null, resolved);
    else Reflect.apply(lookup, dns, args);
  });
}

/** A listener at the first address, on to that port, that lets nobody in for longer than Node gives an address; resolves with its port. */
async function slowListener(t: TestContext, target: number): Promise<number> {
  const child = fork(new URL("slow-listener.ts", import.meta.url), [first, String(target)]);
  t.after(() => child.kill());
  const [{ port }] = (await once(child, "message")) as [AddressInfo];
  child.send(700);
  await once(child, "message");
  // Connections that fill its backlog; the next SYN is dropped, and sent again after a second.
  for (let i = 0; i < 2; i++) await once(connect(port, first).unref(), "connect");
  return port;
}

function sessionTo(url: string, server?: string) {
  const session = new EngineSession(createBaileysFactory({ clock: systemClock, waWebSocketUrl: url }));
  if (server !== undefined) session.config.proxy = create(ProxyConfigSchema, { server, ...proxyUser });
  return session;
}

const ways = [
  { way: "directly", url: `ws://${name}:1/`, server: undefined },
  { way: "directly with TLS", url: `wss://${name}:1/`, server: undefined },
  { way: "through an HTTP proxy", url: "ws://127.0.0.1:1/", server: `${name}:1` },
  { way: "through a SOCKS proxy", url: "ws://127.0.0.1:1/", server: `socks5://${name}:1` },
];

describe("a NOWEB engine that connects to a name with several addresses", () => {
  for (const { way, url, server } of ways) {
    for (const addresses of [
      [first, "127.0.0.2"],
      ["127.0.0.1", first],
    ]) {
      it(`says what was wrong with each, ${way}: ${addresses.join(" and ")}`, async (t) => {
        resolveTo(t, ...addresses);
        const { cause, message } = await sessionTo(url, server).open().until("closed");
        assert.equal(cause, "unreachable");
        const shown = addresses.map((address) => `${address.replace("::1", "[::1]")} ECONNREFUSED`).join(", ");
        assert.ok(message.endsWith(`: ${shown}`), message);
      });
    }
  }

  it("gives the first one more time than Node does, directly", async (t) => {
    const whatsapp = await startWhatsApp();
    t.after(() => whatsapp.close());
    resolveTo(t, first, "127.0.0.2");
    const port = await slowListener(t, Number(new URL(whatsapp.url).port));
    const session = sessionTo(`ws://${name}:${port}/ws/chat`);
    await session.open().until("qr");
    await session.close();
  });

  for (const [kind, start, scheme] of [
    ["an HTTP", startHttpProxy, ""],
    ["a SOCKS", startSocksProxy, "socks5://"],
  ] as const) {
    it(`gives the first one more time than Node does, through ${kind} proxy`, async (t) => {
      const whatsapp = await startWhatsApp();
      const proxy = await start();
      t.after(() => Promise.all([whatsapp.close(), proxy.close()]));
      resolveTo(t, first, "127.0.0.2");
      const session = sessionTo(whatsapp.url, `${scheme}${name}:${await slowListener(t, proxy.port)}`);
      await session.open().until("qr");
      assert.equal(proxy.tunnels(), 1);
      await session.close();
    });
  }
});
