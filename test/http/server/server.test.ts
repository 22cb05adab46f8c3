import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { connect as connectHttp2, constants, type IncomingHttpHeaders } from "node:http2";
import { request as httpsRequest } from "node:https";
import type { Writable } from "node:stream";
import { it, type TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import type { HttpRequest, RequestListener } from "../../../src/http/exchange.ts";
import { createServer } from "../../../src/http/server/server.ts";
import { startServer, testTls } from "../rest/server.ts";
import { dribble, openSocket } from "./raw-socket.ts";

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// An empty SETTINGS frame, and its acknowledgement (RFC 9113, section 6.5).
const settings = "\0\0\0\x04\0\0\0\0\0";
const settingsAck = "\0\0\0\x04\x01\0\0\0\0";

const echo: RequestListener = (req, res) => {
  let size = 0;
  req.on("data", (chunk: Uint8Array) => {
    size += chunk.byteLength;
  });
  req.on("end", () => res.end(`HTTP/${req.httpVersion} ${req.method} ${req.url} ${size}`));
};

function openHttp2(t: TestContext, url: string) {
  const session = connectHttp2(url, { ca: testTls.cert });
  session.on("error", () => {});
  t.after(() => session.destroy());
  return session;
}

async function readHttp2(session: ReturnType<typeof connectHttp2>, path: string, body?: Buffer) {
  const stream = session.request({ ":path": path, ":method": body === undefined ? "GET" : "POST" });
  stream.end(body);
  const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders];
  let text = "";
  for await (const chunk of stream) text += chunk;
  return { headers, text };
}

it("one port serves HTTP/1.1 and HTTP/2 by prior knowledge, also large bodies", async (t) => {
  const { url } = await startServer(t, echo);
  const body = Buffer.alloc(3_000_000);
  const http1 = await fetch(`${url}/a`, { method: "POST", body });
  assert.equal(await http1.text(), "HTTP/1.1 POST /a 3000000");
  const http2 = openHttp2(t, url);
  assert.equal((await readHttp2(http2, "/b", body)).text, "HTTP/2.0 POST /b 3000000");
});

it("an HTTP/2 preface sent byte by byte is detected", async (t) => {
  const { port } = await startServer(t, echo);
  const { socket, received } = await openSocket(t, port);
  await dribble(socket, preface + settings);
  await received(settingsAck);
});

it("an HTTP/1.1 request that begins like a preface is detected", async (t) => {
  const { port } = await startServer(t, echo);
  const { socket, received } = await openSocket(t, port);
  await dribble(socket, "PROPFIND /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
  assert.match(await received(/PROPFIND \/x 2/), /^HTTP\/1\.1 200 OK/);
});

it("a request to upgrade to h2c is answered over HTTP/1.1", async (t) => {
  const { port } = await startServer(t, echo);
  const { socket, received } = await openSocket(t, port);
  const upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA";
  socket.write(`GET /up HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n\r\n`);
  assert.match(await received(/GET \/up 0/), /^HTTP\/1\.1 200 OK/);
});

it("a connection that sends nothing is closed after the timeout", async (t) => {
  const { port } = await startServer(t, echo, { limits: { firstByteTimeoutMs: 50 } });
  const { closed } = await openSocket(t, port);
  assert.equal(await closed, "");
});

it("an incomplete preface is closed after the timeout, or at its end", async (t) => {
  const { port } = await startServer(t, echo, { limits: { firstByteTimeoutMs: 50 } });
  const slow = await openSocket(t, port);
  await dribble(slow.socket, preface.slice(0, -1));
  assert.equal(await slow.closed, "");
  const ended = await openSocket(t, port);
  ended.socket.end("PRI");
  assert.equal(await ended.closed, "");
});

it("a request with endless headers is answered 408 and closed", async (t) => {
  const { port } = await startServer(t, echo, { limits: { headersTimeoutMs: 40 } });
  const { socket, closed } = await openSocket(t, port);
  socket.write("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ");
  assert.match(await closed, /^HTTP\/1\.1 408 /);
});

it("a malformed request is answered 400, a large header 431", async (t) => {
  const { port, url } = await startServer(t, echo);
  const garbage = await openSocket(t, port);
  garbage.socket.write("\x16\x03\x01 hello\r\n\r\n");
  assert.match(await garbage.closed, /^HTTP\/1\.1 400 /);
  const large = await openSocket(t, port);
  large.socket.write(`GET / HTTP/1.1\r\nHost: a\r\nX-Large: ${"x".repeat(20_000)}\r\n\r\n`);
  assert.match(await large.closed, /^HTTP\/1\.1 431 /);
  const reset = await openSocket(t, port);
  reset.socket.write("GET / HTTP/1.1\r\nHo");
  reset.socket.resetAndDestroy();
  await reset.closed;
  const broken = await openSocket(t, port);
  broken.socket.write(`${preface}this is no frame at all, is it?`);
  await broken.closed;
  assert.equal(await (await fetch(url)).text(), "HTTP/1.1 GET / 0");
});

it("TLS offers HTTP/2 and HTTP/1.1 by ALPN", async (t) => {
  const { url, port } = await startServer(t, echo, { isTls: true });
  assert.equal((await readHttp2(openHttp2(t, url), "/tls", Buffer.alloc(500_000))).text, "HTTP/2.0 POST /tls 500000");
  const req = httpsRequest(`${url}/old`, { ca: testTls.cert });
  req.end();
  const [res] = (await once(req, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of res) text += chunk;
  assert.equal(text, "HTTP/1.1 GET /old 0");
  const socket = connectTls({ port, host: "127.0.0.1", ca: testTls.cert, ALPNProtocols: ["h2", "http/1.1"] });
  await once(socket, "secureConnect");
  assert.equal(socket.alpnProtocol, "h2");
  socket.destroy();
});

it("over TLS, silence and plain text end only the connection", async (t) => {
  const { port, url } = await startServer(t, echo, { isTls: true, limits: { firstByteTimeoutMs: 400 } });
  const silent = await openSocket(t, port);
  await silent.closed;
  const plain = await openSocket(t, port);
  plain.socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await plain.closed;
  const idle = connectTls({ port, host: "127.0.0.1", ca: testTls.cert });
  idle.on("error", () => {});
  await once(idle, "close");
  assert.equal((await readHttp2(openHttp2(t, url), "/")).text, "HTTP/2.0 GET / 0");
});

it("an HTTP/2 connection without streams is closed, one with a quiet stream is not", async (t) => {
  const quiet: RequestListener = (_req, res) => {
    const out: Writable = res;
    out.write("open");
  };
  const { url } = await startServer(t, quiet, { limits: { idleSessionTimeoutMs: 200 } });
  const idle = openHttp2(t, url);
  const busy = openHttp2(t, url);
  const stream = busy.request({ ":path": "/" });
  stream.resume();
  await once(stream, "response");
  await once(idle, "close");
  const another = openHttp2(t, url);
  await once(another, "close");
  assert.equal(stream.closed, false);
});

it("close refuses new connections, ends idle ones and lets answers finish", async (t) => {
  const waiting: (() => void)[] = [];
  const started = Promise.withResolvers<void>();
  const { server, url, port } = await startServer(t, (_req, res) => {
    waiting.push(() => res.end("done"));
    if (waiting.length === 2) started.resolve();
  });
  const idle = await openSocket(t, port);
  const idleSession = openHttp2(t, url);
  await once(idleSession, "remoteSettings");
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const req = httpRequest(url, { agent });
  req.end();
  const session = openHttp2(t, url);
  const goaway = once(session, "goaway");
  const slow = readHttp2(session, "/");
  await started.promise;

  const closed = server.close(60_000);
  assert.equal(server.close(0), closed);
  await idle.closed;
  await once(idleSession, "close");
  assert.equal((await goaway)[0], constants.NGHTTP2_NO_ERROR);
  await assert.rejects(fetch(url));
  for (const finish of waiting) finish();
  const [res] = (await once(req, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of res) text += chunk;
  assert.equal(text, "done");
  assert.equal((await slow).text, "done");
  await closed;
  assert.equal(server.address, undefined);
});

it("close does not truncate an answer that the client has not read yet", async (t) => {
  const size = 5_000_000;
  const ended = Promise.withResolvers<void>();
  const { server, url } = await startServer(t, (_req, res) => {
    res.end(Buffer.alloc(size));
    ended.resolve();
  });
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const req = httpRequest(url, { agent });
  req.end();
  await ended.promise;
  const closed = server.close(60_000);
  const [res] = (await once(req, "response")) as [IncomingMessage];
  let received = 0;
  for await (const chunk of res) received += (chunk as Buffer).byteLength;
  assert.equal(received, size);
  await closed;
});

it("close ends unfinished answers after the grace period", async (t) => {
  const started = Promise.withResolvers<HttpRequest>();
  const { server, url, port } = await startServer(t, (req) => started.resolve(req));
  const { socket, closed } = await openSocket(t, port);
  socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await started.promise;
  const session = openHttp2(t, url);
  const stream = session.request({ ":path": "/" });
  stream.on("error", () => {});
  await once(session, "remoteSettings");
  await server.close(20);
  await closed;
  await once(stream, "close");
});

it("listen rejects if the port is in use", async (t) => {
  const { port } = await startServer(t, echo);
  const second = createServer({ host: "127.0.0.1", port, handler: echo });
  await assert.rejects(second.listen(), { code: "EADDRINUSE" });
  assert.equal(second.address, undefined);
  await second.close(0);
});
