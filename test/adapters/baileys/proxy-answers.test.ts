import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { ProxyConfigSchema } from "../../../gen/sessiond/v1/session_pb.js";
import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import type { BaileysOptions } from "../../../src/adapters/baileys/settings.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { EngineSession } from "../../contract/engine-session.ts";
import { startWhatsApp } from "../../emulator/whatsapp.ts";
import { answering, listening } from "./refusing-proxy.ts";

/** How an engine closes that connects to WhatsApp through this server. */
async function closedThrough(t: TestContext, server: string, login = {}, options: Partial<BaileysOptions> = {}) {
  const whatsapp = await startWhatsApp();
  t.after(() => whatsapp.close());
  const factory = createBaileysFactory({ clock: systemClock, waWebSocketUrl: whatsapp.url, ...options });
  const session = new EngineSession(factory);
  session.config.proxy = create(ProxyConfigSchema, { server, ...login });
  const { cause, message } = await session.open().until("closed");
  assert.equal(cause, "unreachable");
  assert.equal(whatsapp.counters.connections, 0);
  assert.doesNotMatch([message, ...session.log].join("\n"), /hunter2/);
  return message;
}

const login = { username: "alice", password: "hunter2" };
const body = "Content-Type: text/html\r\nContent-Length: 9\r\n\r\n<p>no</p>";

const httpAnswers: [answer: string, login: object, shown: string][] = [
  [`HTTP/1.1 403 Blocked\r\n${body}`, {}, "the proxy answered 403 Forbidden"],
  [`HTTP/1.1 502 Bad Gateway\r\n${body}`, login, "the proxy answered 502 Bad Gateway"],
  ["HTTP/1.0 503 Service Unavailable\r\n\r\n", {}, "the proxy answered 503 Service Unavailable"],
  ["HTTP/1.1 429 Too Many Requests\r\n\r\n", {}, "the proxy answered 429 Too Many Requests"],
  ["HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n", {}, "the proxy answered 302 Found"],
  ["HTTP/1.1 799 Odd\r\n\r\n", {}, "the proxy answered 799"],
  [`HTTP/1.1 407 No\r\n${body}`, {}, "the proxy asks for credentials (407 Proxy Authentication Required)"],
  [
    `HTTP/1.1 407 No\r\n${body}`,
    login,
    "the proxy does not accept the credentials (407 Proxy Authentication Required)",
  ],
  ["220 smtp.example ESMTP\r\n\r\n", {}, "the proxy does not speak HTTP"],
];

const socksAnswers: [answers: number[][], login: object, shown: string][] = [
  ...[
    [1, "general failure"],
    [2, "not allowed by its rules"],
    [3, "network unreachable"],
    [4, "host unreachable"],
    [5, "connection refused"],
    [6, "TTL expired"],
    [99, "an unknown reply"],
  ].map(([code, text]): [number[][], object, string] => [
    [
      [5, 0],
      [5, Number(code), 0, 1, 0, 0, 0, 0, 0, 0],
    ],
    {},
    `the proxy answered: ${text} (SOCKS 5)`,
  ]),
  [[[5, 0xff]], {}, "the proxy accepts no login, or asks for another kind of credentials"],
  [
    [
      [5, 2],
      [1, 1],
    ],
    login,
    "the proxy does not accept the credentials",
  ],
  [[[72, 84, 84, 80]], {}, "the proxy does not speak SOCKS 5"],
];

describe("what a NOWEB session's proxy answers", () => {
  for (const [answer, credentials, shown] of httpAnswers) {
    it(`is named as the proxy's: ${shown}`, async (t) => {
      const server = `127.0.0.1:${await listening(t, answering(answer))}`;
      const message = await closedThrough(t, server, credentials);
      assert.equal(message, `Could not connect to WhatsApp through the proxy ${server}: ${shown}`);
    });
  }

  for (const [answers, credentials, shown] of socksAnswers) {
    it(`is named as the SOCKS proxy's: ${shown}`, async (t) => {
      const server = `127.0.0.1:${await listening(t, answering(...answers.map((bytes) => Uint8Array.from(bytes))))}`;
      const message = await closedThrough(t, `socks5://${server}`, credentials);
      assert.equal(message, `Could not connect to WhatsApp through the proxy ${server}: ${shown}`);
    });
  }

  for (const scheme of ["", "socks5://"]) {
    it(`is named if it is silence: ${scheme || "http"}`, async (t) => {
      const server = `127.0.0.1:${await listening(t, () => {})}`;
      const message = await closedThrough(t, scheme + server, {}, { connectTimeoutMs: 50 });
      assert.match(message, /through the proxy [\d.:]+: the proxy did not answer in time$/);
    });

    it(`is named if it hangs up: ${scheme || "http"}`, async (t) => {
      const server = `127.0.0.1:${await listening(t, (client) => client.on("data", () => client.end()))}`;
      assert.match(await closedThrough(t, scheme + server), /: the proxy closed the connection without an answer$/);
    });

    it(`is not blamed on it if nothing listens there: ${scheme || "http"}`, async (t) => {
      assert.match(await closedThrough(t, `${scheme}127.0.0.1:1`), /through the proxy 127.0.0.1:1: ECONNREFUSED$/);
    });
  }

  it("is read at an IPv6 address too", async (t) => {
    assert.match(await closedThrough(t, "socks5://[::1]:1"), /through the proxy \[::1\]:1: ECONNREFUSED$/);
    assert.match(await closedThrough(t, "[::1]:1"), /through the proxy \[::1\]:1: ECONNREFUSED$/);
  });
});
