import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:http2";
import type { AddressInfo } from "node:net";
import { it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import {
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../gen/health/v1/health_pb.js";
import { StatusStreamResponse_Kind as Kind, SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import { readEvents } from "./event-source.ts";
import { ServerProcess } from "./server-process.ts";
import { connectGrpc, isChange, nowhere, toggle } from "./stream-clients.ts";

const session = "alice";

/** Yields the positions of the items after `afterSeq`, without information about the stream itself. */
type Follow = (afterSeq: bigint) => AsyncIterable<bigint>;

type Sessions = ReturnType<typeof connectGrpc>["sessions"];

async function* byRpc(sessions: Sessions, afterSeq: bigint): AsyncIterable<bigint> {
  for await (const item of sessions.statusStream({ session, afterSeq })) {
    if (isChange(item) || item.kind === Kind.SNAPSHOT) yield item.seq;
  }
}

async function* bySse(baseUrl: string, afterSeq: bigint): AsyncIterable<bigint> {
  const url = `${baseUrl}/api/sessions/${session}/status-stream?afterSeq=${afterSeq}`;
  for await (const { id, event, data } of readEvents(url)) {
    if (event === "error")
      throw new ConnectError(String(data.message), data.statusCode === 503 ? Code.Unavailable : Code.Unknown);
    if (data.kind === "KIND_CHANGE" || data.kind === "KIND_SNAPSHOT") yield BigInt(id ?? 0);
  }
}

/** Opens a thousand readers at a server, spread over the kinds of streams. */
function openReaders(baseUrl: string, stack: DisposableStack): Follow[] {
  const grpc = Array.from({ length: 4 }, () => stack.use(connectGrpc(baseUrl)).sessions);
  const http1 = [createConnectTransport, createGrpcWebTransport].map((make) =>
    createClient(SessionService, make({ baseUrl, httpVersion: "1.1" })),
  );
  return [
    ...grpc.flatMap((sessions) => Array.from({ length: 200 }, () => (afterSeq: bigint) => byRpc(sessions, afterSeq))),
    ...http1.flatMap((sessions) => Array.from({ length: 50 }, () => (afterSeq: bigint) => byRpc(sessions, afterSeq))),
    ...Array.from({ length: 100 }, () => (afterSeq: bigint) => bySse(baseUrl, afterSeq)),
  ];
}

/** Reads until the stream ends or `isEnough`. Returns the positions and the end. */
function watch(follow: Follow, afterSeq: bigint, isEnough: (seq: bigint) => boolean = () => false) {
  const seqs: bigint[] = [];
  const opened = Promise.withResolvers<void>();
  const ended = (async () => {
    try {
      for await (const seq of follow(afterSeq)) {
        seqs.push(seq);
        opened.resolve();
        if (isEnough(seq)) return "enough";
      }
      return "ok";
    } catch (error) {
      opened.reject(error);
      return Code[ConnectError.from(error).code];
    }
  })();
  return { seqs, opened: opened.promise, ended };
}

/** Records in order the changes of health and the GOAWAY that a connection gets. */
async function tellHealth(baseUrl: string): Promise<string[]> {
  const told: string[] = [];
  const connection = connect(baseUrl);
  connection.on("goaway", () => told.push("GOAWAY")).on("error", () => {});
  await once(connection, "remoteSettings");
  const message = toBinary(
    HealthCheckRequestSchema,
    create(HealthCheckRequestSchema, { service: SessionService.typeName }),
  );
  const frame = Buffer.concat([Buffer.of(0, 0, 0, 0, message.byteLength), message]);
  const headers = {
    ":method": "POST",
    ":path": "/grpc.health.v1.Health/Watch",
    "content-type": "application/grpc",
    te: "trailers",
  };
  const stream = connection.request(headers);
  stream.end(frame);
  // A response is its status, in the last byte of a frame.
  stream.on("data", (bytes: Buffer) => told.push(ServingStatus[bytes.at(-1) ?? 0] ?? ""));
  stream.on("trailers", (trailers) => told.push(`grpc-status ${trailers["grpc-status"]}`));
  await once(stream, "data");
  return told;
}

it("SIGTERM ends 1,000 streams with UNAVAILABLE within 5 s, and all of them resume", async () => {
  await using server = await ServerProcess.start(nowhere);
  using stack = new DisposableStack();
  const watcher = stack.use(connectGrpc(server.baseUrl));
  await watcher.sessions.createSession({ name: session });
  const streams = openReaders(server.baseUrl, stack).map((follow) => watch(follow, 0n));
  await Promise.all(streams.map(({ opened }) => opened));
  const told = await tellHealth(server.baseUrl);
  const reason = watcher.sessions.statusStream({})[Symbol.asyncIterator]();
  await reason.next();
  await toggle(watcher, session, 2);
  const ending = (async () => {
    for (;;) if ((await reason.next()).done) return undefined;
  })().catch((error: unknown) => ConnectError.from(error).findDetails(ErrorInfoSchema)[0]?.reason);

  const startMs = performance.now();
  assert.equal(await server.kill("SIGTERM"), 0);
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs < 5_000, `it took ${tookMs} ms`);
  assert.deepEqual(new Set(await Promise.all(streams.map(({ ended }) => ended))), new Set(["Unavailable"]));
  assert.equal(await ending, "SHUTTING_DOWN");
  assert.deepEqual(told.slice(0, 4), ["SERVING", "NOT_SERVING", "GOAWAY", `grpc-status ${Code.Unavailable}`]);

  await server.restart();
  const writer = stack.use(connectGrpc(server.baseUrl));
  await toggle(writer, session, 3);
  let lastSeq = 0n;
  for await (const { seq } of writer.sessions.statusStream({ session, until: [1, 2, 3, 4, 5] })) lastSeq = seq;
  const resume = (follow: Follow, afterSeq: bigint) => watch(follow, afterSeq, (seq) => seq >= lastSeq);
  const first = streams[0]?.seqs[0] ?? 0n;
  const history = resume((afterSeq) => byRpc(writer.sessions, afterSeq), first);
  await history.ended;
  assert.ok(history.seqs.length >= 5);
  const resumed = openReaders(server.baseUrl, stack).map(async (follow, n) => {
    const before = streams[n]?.seqs ?? [];
    const next = resume(follow, before.at(-1) ?? 0n);
    assert.equal(await next.ended, "enough");
    return [...before, ...next.seqs];
  });
  for (const seqs of await Promise.all(resumed)) assert.deepEqual(seqs.slice(1).map(String), history.seqs.map(String));
});

it("an idle reader and an unanswered webhook do not delay the end", async () => {
  await using server = await ServerProcess.start(nowhere);
  const hook = createServer(() => {});
  await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
  const { port } = hook.address() as AddressInfo;
  using client = connectGrpc(server.baseUrl);
  const posted = once(hook, "request");
  const config = {
    metadata: { large: "x".repeat(100_000) },
    webhooks: [{ url: `http://127.0.0.1:${port}/`, events: ["*"] }],
  };
  await client.sessions.createSession({ name: session, config });
  await toggle(client, session, 10);
  await posted;
  const headers = { ":method": "POST", "content-type": "application/grpc", te: "trailers" };
  const connection = connect(server.baseUrl);
  connection.on("error", () => {});
  const stream = connection.request({ ...headers, ":path": "/sessiond.v1.EventService/StreamEvents" });
  stream.on("error", () => {});
  // All from the beginning: `cursor` 0.
  stream.end(Buffer.of(0, 0, 0, 0, 2, 0x20, 0));
  await once(stream, "response");
  const startMs = performance.now();
  assert.equal(await server.kill("SIGTERM"), 0);
  const tookMs = performance.now() - startMs;
  connection.destroy();
  hook.closeAllConnections();
  hook.close();
  assert.ok(tookMs < 5_000, `it took ${tookMs} ms`);
});
