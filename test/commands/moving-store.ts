import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { create, toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  CreationSchema,
  DeliverySchema,
  EndpointSchema,
  MessageLogSchema,
  OutgoingMessageSchema,
  PendingUnlinkSchema,
  SessionRecordSchema,
} from "../../gen/sessiond/store/v1/store_pb.js";
import { EventSchema } from "../../gen/sessiond/v1/event_pb.js";
import { Outgoing_State as State } from "../../gen/sessiond/v1/outgoing_pb.js";
import { openLevelBackend } from "../../src/adapters/level/backend.ts";
import { createSealer } from "../../src/adapters/seal/aes-gcm.ts";
import { move } from "../../src/commands/move.ts";
import { readConfig } from "../../src/config/config.ts";
import type { Backend } from "../../src/ports/backend.ts";
import type { Retention } from "../../src/ports/upkeep.ts";
import { createSession, endpointOf, newEvent, Reader, recordOf } from "../contract/backend-fixtures.ts";
import { epochMs, FakeClock } from "../support/fake-clock.ts";

const all = { maxCount: Number.MAX_SAFE_INTEGER, maxAgeMs: Number.MAX_SAFE_INTEGER };
const everything: Retention = { events: all, delivered: all, failed: all };

/** Texts of keys with the bytes that stores escape. */
export const oddKeys = ["plain", "a\0b", "a\u0001b", "\u{1f600}", ""] as const;

/** The key of all sealed stores of these tests. */
export const secretKey = Buffer.alloc(32, 7).toString("base64");
export const sealer = createSealer(Buffer.alloc(32, 7));

/** A data directory, which is removed when the test ends. */
export async function dataDirectory(t: TestContext): Promise<{ base: string; store: string }> {
  const base = await mkdtemp(join(tmpdir(), "sessiond-move-"));
  t.after(() => rm(base, { recursive: true, force: true }));
  return { base, store: join(base, "store") };
}

/** Runs the command, and returns the lines that it prints. */
export async function runMove(
  t: TestContext,
  base: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = { SESSIOND_SECRET_KEY: secretKey },
): Promise<string[]> {
  const variables = { WAHA_LOCAL_STORE_BASE_DIR: base, ...env };
  const { config, secrets } = await readConfig(() => Promise.reject(new Error("no file is read")), variables);
  const lines: string[] = [];
  const log = t.mock.method(console, "log", (line: string) => void lines.push(line));
  try {
    await move(config, secrets, args);
  } finally {
    log.mock.restore();
  }
  return lines;
}

/** Makes a store in a directory that has entries of each family, and closes it. */
export async function makeStore(directory: string, fill = fillStore): Promise<void> {
  const clock = new FakeClock();
  const backend = await openLevelBackend({ directory, clock, sealer });
  await fill(backend, clock);
  await backend.upkeep.close();
}

/** Writes entries of each family. */
export async function fillStore(backend: Backend, clock: FakeClock): Promise<void> {
  const controller = new AbortController();
  const { lease } = await createSession(backend, "alice", ["one", "two"], 3);
  await backend.sessions.commit(lease, {
    record: create(SessionRecordSchema, {
      ...recordOf("alice", 2),
      creation: create(CreationSchema, { idempotencyKey: "a key", answer: recordOf("alice") }),
    }),
    events: [newEvent("alice", "one")],
    messages: create(MessageLogSchema, { reported: ["m1", "m2"], since: timestampFromMs(epochMs) }),
  });
  const value = (text: string) => new Uint8Array(Buffer.from(text));
  const data = new Map(oddKeys.map((key) => [key, value(`of ${key}`)]));
  await backend.engineData.credentials(lease).write(data);
  await backend.engineData.chats(lease).write(data);

  for (const [id, state] of [
    ["sent", State.SENT],
    ["waiting", State.QUEUED],
  ] as const) {
    const keyHash = id === "sent" ? value("a hash") : new Uint8Array();
    const acceptedAt = timestampFromMs(epochMs);
    await backend.outgoing.accept(lease, create(OutgoingMessageSchema, { id, state, keyHash, acceptedAt }));
  }

  const claims = new Reader(backend.outbox.claims(controller.signal));
  for (const outcome of ["done", "retry", "giveUp"] as const) {
    const claim = await claims.next();
    const attempt = create(DeliverySchema, { log: [{ time: timestampFromMs(epochMs), status: 200 }] }).log[0];
    const report = attempt ? { attempt } : {};
    if (outcome === "done") await claim.done(report);
    if (outcome === "retry") await claim.retry(60_000, report);
    if (outcome === "giveUp") await claim.giveUp("it is gone", report);
  }

  const gone = await createSession(backend, "gone", ["one"], 2);
  await backend.sessions.remove(gone.lease, [newEvent("gone", "one")]);

  const aside = await createSession(backend, "aside");
  await backend.engineData.credentials(aside.lease).write(new Map([["login", value("a login")]]));
  await backend.sessions.commit(aside.lease, {
    record: recordOf("aside", 2),
    events: [],
    wipe: true,
    setAside: create(PendingUnlinkSchema, { id: "unlink:1", session: "aside" }),
    endpoints: [endpointOf("three")],
  });
  await backend.outbox.setHealth("aside", "three", create(EndpointSchema, { health: { failures: 3 } }).health);

  await createSession(backend, "trimmed", [], 12);
  await backend.upkeep.trim({ ...everything, events: { ...all, maxCount: 5 } }, clock.wallMs(), controller.signal);
  await backend.log.acknowledge("billing", 4n);
  await backend.log.acknowledge("far ahead", 2n ** 64n - 1n);
  // The newest event is removed: the log's end is beyond what is left of it.
  const last = await createSession(backend, "last", [], 1);
  await backend.sessions.remove(last.lease, []);
  clock.advance(1_000);
  await backend.upkeep.check();
  controller.abort();
}

/** Returns all that can be read of a store by its ports, as plain values. It changes the store. */
export async function contentsOf(backend: Backend): Promise<object> {
  const { records, seq } = await backend.sessions.list();
  const names = records.map(({ name }) => name);
  const owners = [...names, "gone", "unlink:1"];
  const of = async <T>(read: (name: string) => Promise<T>) =>
    Object.fromEntries(await Promise.all(owners.map(async (name) => [name, await read(name)] as const)));
  const messages = await of(async (name) => {
    const log = await backend.sessions.messages(name);
    return log && toJson(MessageLogSchema, log);
  });
  const endpoints = await of(async (name) =>
    (await backend.outbox.endpoints(name))
      .map((endpoint) => toJson(EndpointSchema, endpoint))
      .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
  );
  const deliveries = await of(async (name) =>
    (await backend.outbox.deliveries(name, { limit: 100 })).map((delivery) => toJson(DeliverySchema, delivery)),
  );
  const oldest = await of((name) => backend.log.oldestSeq(name));
  const data = await of(async (name) => {
    const lease = await backend.sessions.acquire(name);
    const keys = [...oddKeys, "login"];
    const texts = (values: (Uint8Array | undefined)[]) => values.map((one) => one && Buffer.from(one).toString());
    return {
      credentials: texts(await backend.engineData.credentials(lease).read(keys)),
      chats: texts(await backend.engineData.chats(lease).read(keys)),
    };
  });
  return {
    seq,
    lastSeq: await backend.log.lastSeq(),
    records: records.map((record) => toJson(SessionRecordSchema, record)),
    created: (await backend.sessions.createdWith("a key"))?.name,
    messages,
    endpoints,
    deliveries,
    oldest,
    oldestOfAll: await backend.log.oldestSeq(undefined),
    data,
    consumers: [await backend.log.acknowledged("billing"), await backend.log.acknowledged("far ahead")],
    unlinks: (await backend.pendingUnlinks.list()).map((one) => toJson(PendingUnlinkSchema, one)),
    latest: await of(async (name) =>
      (await backend.log.latest(name, 2n ** 62n, 100)).map((event) => toJson(EventSchema, event)),
    ),
    queue: await queueOf(backend),
  };
}

async function queueOf(backend: Backend): Promise<object> {
  const { pending, retrying } = await backend.outbox.queueStats();
  return { pending, retrying };
}
