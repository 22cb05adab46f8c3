import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { openCutProxy } from "./cut-proxy.ts";
import { readEvents } from "./event-source.ts";
import { ServerProcess } from "./server-process.ts";
import { connectGrpc, type GrpcClients, isChange, nowhere } from "./stream-clients.ts";

/** Number of disturbances. Set SESSIOND_TEST_CUTS=1000 for the long run. */
const cuts = Number(process.env.SESSIOND_TEST_CUTS ?? 20);
const seed = Number(process.env.SESSIOND_TEST_SEED ?? 1);
const session = "alice";

/** Returns a generator of numbers in [0, 1), equal for equal seeds (mulberry32). */
function randomFrom(seedValue: number): () => number {
  let state = seedValue;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Yields the positions of the changes after `afterSeq` from one kind of stream, until it is cut. */
type Follow = (url: string, afterSeq: bigint, signal: AbortSignal) => AsyncIterable<bigint>;

/** Follows by gRPC, on a connection of its own. */
const byGrpc = (
  follow: (clients: GrpcClients, afterSeq: bigint, signal: AbortSignal) => AsyncIterable<bigint>,
): Follow =>
  async function* (url, afterSeq, signal) {
    using clients = connectGrpc(url);
    yield* follow(clients, afterSeq, signal);
  };

const streams: Readonly<Record<string, Follow>> = {
  StatusStream: byGrpc(async function* ({ sessions }, afterSeq, signal) {
    for await (const item of sessions.statusStream({ session, afterSeq }, { signal }))
      if (isChange(item)) yield item.seq;
  }),
  StreamEvents: byGrpc(async function* ({ events }, cursor, signal) {
    const request = { session, names: ["session.status"], cursor };
    for await (const { item, seq } of events.streamEvents(request, { signal })) if (item.case === "event") yield seq;
  }),
  async *"server-sent events"(url, afterSeq, signal) {
    const address = `${url}/api/sessions/${session}/status-stream`;
    for await (const { id, data } of readEvents(address, { lastEventId: String(afterSeq), signal })) {
      if (data.kind === "KIND_CHANGE") yield BigInt(id ?? 0);
    }
  },
};

/** Reads one kind of stream, and resumes at its position after each cut. */
class Reader {
  readonly seqs: bigint[] = [];
  readonly #follow: Follow;
  readonly #url: string;
  readonly #leaving = new AbortController();
  readonly #done: Promise<void>;
  #seen = () => {};

  constructor(follow: Follow, url: string, afterSeq: bigint) {
    this.#follow = follow;
    this.#url = url;
    this.#done = this.#read(afterSeq);
  }

  async #read(afterSeq: bigint): Promise<void> {
    const { signal } = this.#leaving;
    while (!signal.aborted) {
      try {
        for await (const seq of this.#follow(this.#url, this.seqs.at(-1) ?? afterSeq, signal)) {
          this.seqs.push(seq);
          this.#seen();
        }
      } catch {
        // The connection was cut, or the server is down.
      }
      await pause(10);
    }
  }

  async until(seq: bigint): Promise<void> {
    while ((this.seqs.at(-1) ?? 0n) < seq) {
      await new Promise<void>((resolve) => {
        this.#seen = resolve;
      });
    }
  }

  leave(): Promise<void> {
    this.#leaving.abort();
    return this.#done;
  }
}

/** Stops and starts the session until told to end, and waits while the server is down. */
class Writer {
  readonly #server: ServerProcess;
  readonly #ending = new AbortController();
  readonly #done: Promise<void>;
  #changes = 0;
  #changed = () => {};

  constructor(server: ServerProcess) {
    this.#server = server;
    this.#done = this.#write();
  }

  async #write(): Promise<void> {
    const ended = this.#ending.signal;
    while (!ended.aborted) {
      using clients = connectGrpc(this.#server.baseUrl);
      const { sessions } = clients;
      try {
        while (!ended.aborted) {
          await (this.#changes % 2 === 0 ? sessions.stopSession({ session }) : sessions.startSession({ session }));
          this.#changes += 1;
          this.#changed();
        }
      } catch {
        await pause(20);
      }
    }
  }

  /** Resolves after `count` further changes. */
  async makes(count: number): Promise<void> {
    for (const end = this.#changes + count; this.#changes < end; ) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  end(): Promise<void> {
    this.#ending.abort();
    return this.#done;
  }
}

/** Most changes between two disturbances. */
const maxChanges = 6;

it(`readers of all streams miss no change and see none twice over ${cuts} random cuts`, async (t) => {
  const random = randomFrom(seed);
  await using server = await ServerProcess.start({ ...nowhere, SESSIOND_EVENT_LOG_MAX: "1000000" });
  await using proxy = await openCutProxy(() => server.baseUrl);
  const control = () => connectGrpc(server.baseUrl);
  let beginSeq = 0n;
  {
    using clients = control();
    await clients.sessions.createSession({ name: session });
    for await (const item of clients.sessions.statusStream({ session, until: [1, 2, 3, 4, 5] })) beginSeq = item.seq;
  }
  const readers = Object.entries(streams).map(([name, follow]) => ({
    name,
    reader: new Reader(follow, proxy.url, beginSeq),
  }));
  const writer = new Writer(server);
  for (let n = 0; n < cuts; n += 1) {
    await writer.makes(1 + Math.floor(random() * maxChanges));
    const kind = random();
    if (kind < 0.1) {
      await server.kill(random() < 0.5 ? "SIGKILL" : "SIGTERM");
      await server.restart();
    } else if (kind < 0.5 && server.pid !== undefined) {
      process.kill(server.pid, "SIGSTOP");
      await pause(random() * 100);
      if (random() < 0.5) proxy.cut();
      process.kill(server.pid, "SIGCONT");
    } else proxy.cut();
  }
  await writer.end();
  using clients = control();
  await clients.sessions.restartSession({ session });
  let lastSeq = 0n;
  for await (const item of clients.sessions.statusStream({ session, until: [1, 2, 3, 4, 5] })) lastSeq = item.seq;
  const truth: string[] = [];
  for await (const { item, seq } of clients.events.streamEvents({
    session,
    cursor: beginSeq,
    names: ["session.status"],
  })) {
    if (item.case === "event") truth.push(String(seq));
    if (seq >= lastSeq) break;
  }
  const last = BigInt(truth.at(-1) ?? 0);
  for (const { name, reader } of readers) {
    await reader.until(last);
    await reader.leave();
    assert.deepEqual(reader.seqs.map(String), truth, `${name} with seed ${seed}`);
  }
  assert.ok(truth.length > cuts, `${truth.length} changes`);
  t.diagnostic(`${truth.length} changes`);
});
