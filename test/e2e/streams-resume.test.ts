import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { ServerProcess } from "./server-process.ts";
import { connectGrpc, type GrpcClients, isChange, nowhere } from "./stream-clients.ts";

/** How often the reader is disturbed: SESSIOND_TEST_CUTS=1000 for the long run. */
const cuts = Number(process.env.SESSIOND_TEST_CUTS ?? 20);
const seed = Number(process.env.SESSIOND_TEST_SEED ?? 1);

/** Numbers in [0, 1) that come again with the same seed (mulberry32). */
function randomFrom(seedValue: number): () => number {
  let state = seedValue;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The clients of the server's present life. */
class Connection {
  readonly #server: ServerProcess;
  #clients: GrpcClients | undefined;

  constructor(server: ServerProcess) {
    this.#server = server;
  }

  get clients(): GrpcClients {
    this.#clients ??= connectGrpc(this.#server.baseUrl);
    return this.#clients;
  }

  drop(): void {
    this.#clients?.close();
    this.#clients = undefined;
  }
}

/** Stops and starts the session until told to end; a server that is away is waited for. */
async function write(connection: Connection, ended: AbortSignal): Promise<void> {
  for (let n = 0; !ended.aborted; n += 1) {
    const { sessions } = connection.clients;
    const call = n % 2 === 0 ? sessions.stopSession({ session: "alice" }) : sessions.startSession({ session: "alice" });
    await call.catch(() => pause(20));
  }
}

/** Reads on after `seqs` until it is cut off, whatever cuts it. */
async function read(
  { sessions }: GrpcClients,
  seqs: bigint[],
  signal: AbortSignal,
  throughSeq?: bigint,
): Promise<void> {
  try {
    for await (const item of sessions.statusStream({ session: "alice", afterSeq: seqs.at(-1) ?? 1n }, { signal })) {
      if (isChange(item)) seqs.push(item.seq);
      assert.equal(item.coalesced, false);
      if (throughSeq !== undefined && item.seq >= throughSeq) return;
    }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
  }
}

test(`a reader cut off, frozen and restarted ${cuts} times at random moments misses no change and sees none twice`, async () => {
  const random = randomFrom(seed);
  await using server = await ServerProcess.start(nowhere);
  const writing = new Connection(server);
  const reading = new Connection(server);
  await writing.clients.sessions.createSession({ name: "alice" });
  const stop = new AbortController();
  const writer = write(writing, stop.signal);
  const seqs: bigint[] = [];
  for (let n = 0; n < cuts; n += 1) {
    const leaving = new AbortController();
    const reader = read(reading.clients, seqs, leaving.signal);
    await pause(random() * 150);
    const kind = random();
    if (kind < 0.15) {
      await server.kill(random() < 0.5 ? "SIGKILL" : "SIGTERM");
      await server.restart();
      writing.drop();
    } else if (kind < 0.5 && server.pid !== undefined) {
      process.kill(server.pid, "SIGSTOP");
      await pause(random() * 100);
      if (random() < 0.5) leaving.abort();
      process.kill(server.pid, "SIGCONT");
    }
    leaving.abort();
    await reader;
    reading.drop();
  }
  stop.abort();
  await writer;
  const { clients } = reading;
  // One more change, so that there is one to wait for.
  await clients.sessions.restartSession({ session: "alice" });
  await clients.sessions.stopSession({ session: "alice" });
  const snapshot = await clients.sessions.statusStream({ session: "alice" })[Symbol.asyncIterator]().next();
  const lastSeq = snapshot.done ? 0n : snapshot.value.seq;
  const { signal } = new AbortController();
  if ((seqs.at(-1) ?? 0n) < lastSeq) await read(clients, seqs, signal, lastSeq);
  const truth: bigint[] = [];
  await read(clients, truth, signal, lastSeq);
  reading.drop();
  writing.drop();
  assert.deepEqual(seqs.map(String), truth.map(String), `with seed ${seed}`);
  assert.ok(truth.length > cuts, `${truth.length} changes`);
});
