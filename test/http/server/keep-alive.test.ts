import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { it, type TestContext } from "node:test";
import { startServer } from "../rest/server.ts";
import { openSocket } from "./raw-socket.ts";

const request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const open = (t: TestContext, limits: Parameters<typeof startServer>[2]) =>
  startServer(t, (_req, res) => res.end("done"), limits);

it("an idle HTTP/1.1 connection is announced its timeout and closed after it", async (t) => {
  const { port } = await open(t, { limits: { keepAliveTimeoutMs: 1_000 } });
  const { socket, received, closed } = await openSocket(t, port);
  socket.write(request);
  assert.match(await received(/done/), /\r\nKeep-Alive: timeout=1\r\n/);
  await closed;
});

it("an idle HTTP/1.1 connection is not subject to the header timeout", async (t) => {
  const { port } = await open(t, { limits: { keepAliveTimeoutMs: 600_000, headersTimeoutMs: 50 } });
  const idle = await openSocket(t, port);
  idle.socket.write(request);
  await idle.received(/done/);
  const slow = await openSocket(t, port);
  slow.socket.write("GET / HTTP/1.1\r\nHost:");
  assert.match(await slow.closed, /^HTTP\/1\.1 408 /);
  idle.socket.write(request);
  await idle.received(/done[\s\S]*done/);
});

it("an HTTP/2 connection without streams is closed despite pings", async (t) => {
  const { url } = await open(t, { limits: { idleSessionTimeoutMs: 300, pingIntervalMs: 20 } });
  const session = connect(url);
  t.after(() => session.destroy());
  const pinged = once(session, "ping");
  await once(session, "close");
  await pinged;
});

it("a timeout of 0 means no limit in both protocols", async (t) => {
  const { url, port } = await open(t, {
    limits: { keepAliveTimeoutMs: 0, idleSessionTimeoutMs: 0, pingIntervalMs: 20 },
  });
  const { socket, received } = await openSocket(t, port);
  socket.write(request);
  assert.doesNotMatch(await received(/done/), /Keep-Alive: timeout/);
  const session = connect(url);
  t.after(() => session.destroy());
  for (let pings = 0; pings < 10; pings += 1) await once(session, "ping");
  assert.equal(session.closed, false);
  socket.write(request);
  await received(/done[\s\S]*done/);
});
