import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { describe, it, type TestContext } from "node:test";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { jsonAnswer, send } from "../../../src/http/exchange.ts";
import { createHandler } from "../../../src/http/server/handler.ts";
import { UnaryCall } from "../../../src/http/unary-calls.ts";
import { startServer } from "../rest/server.ts";
import { openSocket } from "./raw-socket.ts";

const path = "/sessiond.v1.SessionService/GetSession";

type GetSession = (session: string, context: HandlerContext) => Promise<object> | object;

async function start(t: TestContext, getSession: GetSession, shutdownSignal?: AbortSignal) {
  const routes = (router: ConnectRouter) => {
    router.service(SessionService, {
      getSession({ session }, context) {
        assert.ok(context instanceof UnaryCall, "the call came through Connect's pipeline");
        return getSession(session, context);
      },
    });
  };
  const rest = createHandler({
    routes,
    rest: (req, res) => send(req, res, jsonAnswer(404, {})),
    shutdownSignal,
  });
  return startServer(t, rest);
}

/** Returns an implementation that answers when its signal aborts, and promises of its beginning and of the reason of its end. */
function waitForAbort() {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<unknown>();
  const getSession: GetSession = async (_session, { signal }) => {
    begun.resolve();
    if (!signal.aborted) await once(signal, "abort");
    ended.resolve(signal.reason);
    throw signal.reason;
  };
  return { getSession, begun: begun.promise, ended: ended.promise };
}

const request = (session: string, headers = "Host: localhost\r\n") => {
  const body = JSON.stringify({ session });
  return `POST ${path} HTTP/1.1\r\n${headers}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
};

describe("a unary call that is answered directly", () => {
  it("is cancelled when its client leaves, over HTTP/1.1", async (t) => {
    const { getSession, begun, ended } = waitForAbort();
    const { port } = await start(t, getSession);
    const { socket } = await openSocket(t, port);
    socket.write(request("alice"));
    await begun;
    socket.destroy();
    assert.equal(ConnectError.from(await ended).code, Code.Canceled);
  });

  it("is cancelled when its client resets the stream, over HTTP/2", async (t) => {
    const { getSession, begun, ended } = waitForAbort();
    const { url } = await start(t, getSession);
    const session = connect(url);
    t.after(() => session.destroy());
    const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/json" });
    stream.on("error", () => {});
    stream.end("{}");
    await begun;
    stream.close();
    assert.equal(ConnectError.from(await ended).code, Code.Canceled);
  });

  it("is aborted by a shutdown, and still answered", async (t) => {
    const { getSession, begun } = waitForAbort();
    const shutdown = new AbortController();
    const { url } = await start(t, getSession, shutdown.signal);
    const headers = { "content-type": "application/json" };
    const answer = fetch(url + path, { method: "POST", headers, body: "{}" });
    await begun;
    shutdown.abort(new ConnectError("The server is shutting down", Code.Unavailable));
    const { status, json } = await answer.then(async (res) => ({ status: res.status, json: await res.json() }));
    assert.equal(status, 503);
    assert.deepEqual(json, { code: "unavailable", message: "The server is shutting down" });
  });

  it("never begins if its client leaves before the message is complete", async (t) => {
    const sessions: string[] = [];
    const { url, port } = await start(t, (session) => {
      sessions.push(session);
      return {};
    });
    const { socket } = await openSocket(t, port);
    await new Promise((resolve) => socket.write(request("half").slice(0, -1), resolve));
    socket.destroy();
    const session = connect(url);
    t.after(() => session.destroy());
    const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/json" });
    stream.on("error", () => {});
    await new Promise((resolve) => stream.write('{"session"', resolve));
    stream.close(8);
    await once(stream, "close");
    // The server handles the connections in order of their events; this one comes last.
    const headers = { "content-type": "application/json" };
    await fetch(url + path, { method: "POST", headers, body: '{"session":"whole"}' });
    assert.deepEqual(sessions, ["whole"]);
  });

  it("is answered in the order of pipelined requests", async (t) => {
    const first = Promise.withResolvers<object>();
    const { port } = await start(t, (session) => (session === "a" ? first.promise : { session: { name: session } }));
    const { socket, received } = await openSocket(t, port);
    socket.write(request("a") + request("b") + request("c"));
    setImmediate(() => first.resolve({ session: { name: "a" } }));
    const text = await received('"name":"c"');
    assert.deepEqual(text.match(/"name":"."/g), ['"name":"a"', '"name":"b"', '"name":"c"']);
  });

  it("has a URL with the authority that the client named", async (t) => {
    const urls: string[] = [];
    const { port, url } = await start(t, (_session, context) => {
      urls.push(context.url);
      return {};
    });
    const { socket, received } = await openSocket(t, port);
    socket.write(request("alice", "Host: example.com:8080\r\n"));
    await received("{}");
    const session = connect(url);
    t.after(() => session.destroy());
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      ":authority": "example.org",
      "content-type": "application/proto",
    });
    stream.end();
    stream.resume();
    await once(stream, "end");
    assert.deepEqual(urls, [`http://example.com:8080${path}`, `http://example.org${path}`]);
  });
});

it("a unary call with a malformed Host is refused", async (t) => {
  const { port } = await start(t, () => ({}));
  for (const host of ["a b", "[::1", "a:99999"]) {
    const { socket, received } = await openSocket(t, port);
    socket.write(request("alice", `Host: ${host}\r\n`));
    assert.match(await received("malformed"), /^HTTP\/1\.1 400 /);
  }
});
