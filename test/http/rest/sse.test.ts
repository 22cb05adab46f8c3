import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Session_Status } from "../../../gen/sessiond/v1/session_pb.js";
import { StatusStreamResponse_Kind } from "../../../gen/sessiond/v1/session_service_pb.js";
import { openSocket } from "../server/raw-socket.ts";
import { startRestServer } from "./server.ts";

const snapshot = {
  kind: StatusStreamResponse_Kind.SNAPSHOT,
  seq: 9007199254740993n,
  name: "x",
  status: Session_Status.WORKING,
};
const snapshotEvent =
  'id: 9007199254740993\ndata: {"kind":"KIND_SNAPSHOT","seq":"9007199254740993","name":"x","status":"WORKING"}\n\n';

/** Resolves when a signal aborts. */
function aborted(signal: AbortSignal): Promise<unknown> {
  return signal.aborted ? Promise.resolve() : once(signal, "abort");
}

it("messages are sent as events with their place in the log as id", async (t) => {
  const { url } = await startRestServer(t, {
    session: {
      statusStream: async function* (_request, context) {
        context.responseHeader.set("X-Extra", "yes");
        yield snapshot;
        yield { ...snapshot, kind: StatusStreamResponse_Kind.CHANGE, seq: 0n, status: Session_Status.STOPPED };
      },
    },
  });
  const answer = await fetch(`${url}/api/sessions/x/status-stream`);
  assert.equal(answer.status, 200);
  const names = ["content-type", "cache-control", "x-accel-buffering", "x-extra"];
  assert.deepEqual(
    names.map((name) => answer.headers.get(name)),
    ["text/event-stream; charset=utf-8", "no-cache", "no", "yes"],
  );
  const change = 'data: {"kind":"KIND_CHANGE","name":"x","status":"STOPPED"}\n\n';
  assert.equal(await answer.text(), snapshotEvent + change);
});

it("messages without a place in a log have no id", async (t) => {
  const { url } = await startRestServer(t, {
    auth: {
      qrStream: async function* () {
        yield { item: { case: "pairingCode" as const, value: "ABCD-ABCD" } };
      },
    },
  });
  const answer = await fetch(`${url}/api/x/auth/qr-stream`);
  assert.equal(await answer.text(), 'data: {"pairingCode":"ABCD-ABCD"}\n\n');
});

it("an error before the first message is an ordinary error response", async (t) => {
  const { url } = await startRestServer(t, {
    rest: { openStreamAfterMs: 60_000 },
    session: {
      // biome-ignore lint/correctness/useYield: it fails before it could
      statusStream: async function* () {
        throw new ConnectError("Session not found", Code.NotFound);
      },
    },
  });
  const answer = await fetch(`${url}/api/sessions/x/status-stream`);
  assert.equal(answer.status, 404);
  assert.equal(await answer.text(), '{"statusCode":404,"message":"Session not found","error":"Not Found"}');
});

it("an error after the first message is the last event", async (t) => {
  const { url } = await startRestServer(t, {
    session: {
      statusStream: async function* () {
        yield snapshot;
        throw new ConnectError("the server stops", Code.Unavailable);
      },
    },
  });
  const answer = await fetch(`${url}/api/status-stream`);
  const error = '{"statusCode":503,"message":"the server stops","error":"Service Unavailable"}';
  assert.equal(await answer.text(), `${snapshotEvent}event: error\ndata: ${error}\n\n`);
});

it("a quiet stream opens and sends heartbeats", async (t) => {
  const { url } = await startRestServer(t, {
    rest: { openStreamAfterMs: 10, heartbeatMs: 10 },
    session: {
      statusStream: async function* (_request, { signal }) {
        await aborted(signal);
        yield snapshot;
      },
    },
  });
  const controller = new AbortController();
  const answer = await fetch(`${url}/api/status-stream`, { signal: controller.signal });
  assert.equal(answer.headers.get("content-type"), "text/event-stream; charset=utf-8");
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (text.length < 30) text += decoder.decode((await reader?.read())?.value);
  assert.match(text, /^(: heartbeat\n\n)+$/);
  controller.abort();
});

it("a client that disconnects ends the stream, over HTTP/1.1 and HTTP/2", async (t) => {
  const ended: Promise<unknown>[] = [];
  const { url, port } = await startRestServer(t, {
    session: {
      statusStream: async function* (_request, { signal }) {
        ended.push(aborted(signal));
        yield snapshot;
        await aborted(signal);
      },
    },
  });
  const http1 = await openSocket(t, port);
  http1.socket.write("GET /api/status-stream HTTP/1.1\r\nHost: a\r\n\r\n");
  await http1.received(/KIND_SNAPSHOT/);
  http1.socket.destroy();
  await ended[0];
  const session = connect(url);
  t.after(() => session.destroy());
  const stream = session.request({ ":path": "/api/status-stream" });
  stream.on("error", () => {});
  await once(stream, "data");
  stream.close();
  await ended[1];
});

it("a client that does not read pauses the stream", async (t) => {
  let sent = 0;
  const { port } = await startRestServer(t, {
    session: {
      statusStream: async function* () {
        for (; sent < 4_000; sent += 1) yield { ...snapshot, name: "x".repeat(10_000) };
      },
    },
  });
  const { socket, closed } = await openSocket(t, port);
  socket.write("GET /api/status-stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  await once(socket, "data");
  socket.pause();
  // The stream is paused once the count has not changed for a while.
  for (let before = -1, still = 0; still < 100; before = sent) {
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    still = before === sent && sent > 0 ? still + 1 : 0;
  }
  assert(sent < 4_000, `${sent} messages`);
  socket.resume();
  const text = await closed;
  assert.equal(text.match(/^id: /gm)?.length, 4_000);
});

it("HEAD of a stream is answered with its headers only", async (t) => {
  const signals: AbortSignal[] = [];
  const { url } = await startRestServer(t, {
    session: {
      statusStream: async function* (_request, { signal }) {
        signals.push(signal);
        yield snapshot;
        await aborted(signal);
      },
    },
  });
  const answer = await fetch(`${url}/api/status-stream`, { method: "HEAD" });
  assert.deepEqual([answer.status, answer.headers.get("cache-control"), await answer.text()], [200, "no-cache", ""]);
  await aborted(signals[0] ?? AbortSignal.abort());
});
