import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { HealthCheckResponse_ServingStatus as ServingStatus } from "../../gen/health/v1/health_pb.js";
import { StatusStreamResponse_Kind as Kind } from "../../gen/sessiond/v1/session_service_pb.js";
import { ServerProcess } from "./server-process.ts";
import { connectGrpc, type GrpcClients, isChange, nowhere, toggle } from "./stream-clients.ts";

const connections = 5;
const streamsEach = 200;

/** Reads all statuses after `afterSeq` until the stream ends; tells what it saw and how it ended. */
function watch(
  { sessions }: GrpcClients,
  afterSeq: bigint,
  isEnough: (seqs: readonly bigint[]) => boolean = () => false,
) {
  const seqs: bigint[] = [];
  const opened = Promise.withResolvers<void>();
  const ended = (async () => {
    try {
      for await (const item of sessions.statusStream({ session: "alice", afterSeq })) {
        if (item.seq > 0n && (isChange(item) || item.kind === Kind.SNAPSHOT)) seqs.push(item.seq);
        opened.resolve();
        if (isEnough(seqs)) return "enough";
      }
      return "ok";
    } catch (error) {
      opened.reject(error);
      return Code[ConnectError.from(error).code];
    }
  })();
  return { seqs, opened: opened.promise, ended };
}

test("SIGTERM: health turns, 1,000 streams end with UNAVAILABLE, the server is gone within 5 s, and all of them resume", async () => {
  await using server = await ServerProcess.start(nowhere);
  using watcher = connectGrpc(server.baseUrl);
  await watcher.sessions.createSession({ name: "alice" });
  const clients = Array.from({ length: connections }, () => connectGrpc(server.baseUrl));
  using stack = new DisposableStack();
  for (const client of clients) stack.use(client);
  const streams = clients.flatMap((client) => Array.from({ length: streamsEach }, () => watch(client, 0n)));
  await Promise.all(streams.map(({ opened }) => opened));
  const told: ServingStatus[] = [];
  const health = (async () => {
    for await (const { status } of watcher.health.watch({ service: "sessiond.v1.SessionService" })) told.push(status);
  })().catch((error: unknown) => ConnectError.from(error).code);
  await toggle(watcher, "alice", 2);

  const startMs = performance.now();
  assert.equal(await server.kill("SIGTERM"), 0);
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs < 5_000, `it took ${tookMs} ms`);
  assert.deepEqual(new Set(await Promise.all(streams.map(({ ended }) => ended))), new Set(["Unavailable"]));
  assert.equal(await health, Code.Unavailable);
  assert.deepEqual(told, [ServingStatus.SERVING, ServingStatus.NOT_SERVING]);

  await server.restart();
  using writer = connectGrpc(server.baseUrl);
  await toggle(writer, "alice", 2);
  const whole = watch(writer, 1n, (seqs) => seqs.length >= 4);
  await whole.ended;
  const lastSeq = whole.seqs.at(-1) ?? 0n;
  const again = Array.from({ length: connections }, () => stack.use(connectGrpc(server.baseUrl)));
  const resumed = streams.map(({ seqs }, n) => {
    const client = again[n % connections];
    assert.ok(client);
    const next = watch(client, seqs.at(-1) ?? 0n, (seen) => seen.includes(lastSeq));
    return next.ended.then(() => [...seqs, ...next.seqs]);
  });
  const first = streams[0]?.seqs[0] ?? 0n;
  const expected = (await history(writer, first, lastSeq)).map(String);
  for (const seqs of await Promise.all(resumed)) assert.deepEqual(seqs.slice(1).map(String), expected);
});

/** The places of all changes of the session after `afterSeq` and up to `throughSeq`. */
async function history(client: GrpcClients, afterSeq: bigint, throughSeq: bigint): Promise<bigint[]> {
  const { seqs, ended } = watch(client, afterSeq, (seen) => seen.includes(throughSeq));
  await ended;
  return seqs;
}
