import { fromBinary } from "@bufbuild/protobuf";
import { EndpointSchema } from "../../../../gen/sessiond/store/v1/store_pb.js";
import type { Sealer } from "../../../ports/sealer.ts";
import type { Logger } from "../../../ports/system.ts";
import { type EndpointName, Endpoints } from "../../embedded/endpoints.ts";
import { Trimmed } from "../../embedded/trimmed.ts";
import { endpointRemoval } from "../delivery-store.ts";
import { readLastWrittenMs } from "./clock-mark.ts";
import { Database, type Operation } from "./database.ts";
import { DirectoryLock } from "./directory-lock.ts";
import { currentFormat, prepareFormat, readFormat } from "./format.ts";
import { type GenerationCount, generationKey, generationOf } from "./generation.ts";
import { checkIdentity } from "./identity.ts";
import { keyOf, numberBytes, numberOf, partsOf, rangeOf } from "./key.ts";
import { moveKey, refuseMove } from "./move-mark.ts";
import { findNames } from "./names-in.ts";
import { checkSealKeys } from "./seal-keys.ts";

/** Number of epochs reserved for each life of the process. */
const epochsPerLife = 1n << 32n;

/** Key of the number of times the store was opened. */
export const lifeKey = keyOf("meta", "life");
/** Key of the last seq of the log. */
export const seqKey = keyOf("meta", "seq");

/** A queue with pending deliveries. */
export interface PendingQueue extends EndpointName {
  /** True if it has deliveries not attempted yet. */
  readonly firsts: boolean;
  /** Due time of its first retry on the monotonic clock, ms; Infinity for none. */
  readonly retriesFromMs: number;
}

/** A store ready for use. */
export interface OpenStore {
  readonly database: Database;
  readonly lock: DirectoryLock;
  readonly generation: GenerationCount;
  /** True if some values may not be sealed with the present key. */
  readonly hasOutdatedSeals: boolean;
  readonly lastSeq: bigint;
  /** Monotonic time of the last write, ms; undefined for an empty store. */
  readonly lastWrittenMs: number | undefined;
  /** Greatest epoch that a lease of an earlier life can have. */
  readonly afterEpoch: bigint;
  readonly endpoints: Endpoints;
  readonly pending: readonly PendingQueue[];
  /** Names of all sessions. */
  readonly sessions: Set<string>;
  readonly trimmed: Trimmed;
}

/** Options for opening a store. */
export interface StoreOptions {
  readonly directory: string;
  /** Sealer of values; undefined to store them unsealed. */
  readonly sealer?: Sealer | undefined;
  /** True to open the store even if it is a copy. */
  readonly adopt?: boolean | undefined;
  /** This program's version. Tests set the format to stand for another program. */
  readonly program?: { readonly version: string; readonly format?: bigint } | undefined;
  /** Logger for events of the store itself. */
  readonly logger?: Logger;
}

/** Opens the store in a directory and reads its state into memory. Rejects with a message that names the directory. */
export async function openStore(options: StoreOptions): Promise<OpenStore> {
  const lock = await DirectoryLock.acquire(options.directory);
  try {
    return await openLocked(lock, options);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function openLocked(lock: DirectoryLock, options: StoreOptions): Promise<OpenStore> {
  const { directory } = options;
  const database = await Database.open(directory, options.sealer);
  try {
    return await readStore(database, lock, options);
  } catch (cause) {
    await database.close();
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`the store in the data directory ${directory} cannot be used: ${message}`, { cause });
  }
}

/** Returns the operation that records the last seq of the log. */
export const recordSeq = (seq: bigint): Operation => ({ type: "put", key: seqKey, value: numberBytes(seq) });

async function readStore(database: Database, lock: DirectoryLock, options: StoreOptions): Promise<OpenStore> {
  const program = { version: "of unknown version", format: currentFormat, ...options.program };
  refuseMove(await database.get(moveKey));
  const format = await readFormat(database, program);
  const [life = 0n, lastSeq = 0n] = await numbersAt(database, [lifeKey, seqKey]);
  const seals = await checkSealKeys(database, options.sealer);
  const identity = await checkIdentity(database, options.adopt ?? false);
  await lock.mark();
  const generation = generationOf(await database.get(generationKey));
  const pending = await pendingQueues(database);
  const { endpoints, orphans } = await readEndpoints(database, pending);
  const lastWrittenMs = await readLastWrittenMs(database, lastSeq, pending);
  const formats = await prepareFormat(database, format, program, (backup) =>
    options.logger?.info({ backup, from: format, to: program.format }, "store format raised; backup written"),
  );
  const opening: Operation[] = [
    ...formats,
    { type: "put", key: lifeKey, value: numberBytes(life + 1n) },
    ...seals.additions,
    ...identity,
    ...orphans.map(endpointRemoval),
  ];
  await database.batch(opening, { sync: true });
  const [sessions, trimmed] = await Promise.all([readSessions(database), readTrimmed(database)]);
  const afterEpoch = (life + 1n) * epochsPerLife;
  const opened = { database, lock, generation, hasOutdatedSeals: seals.isOutdated };
  return { ...opened, lastSeq, lastWrittenMs, afterEpoch, endpoints, pending, sessions, trimmed };
}

/** Replaces the endpoints and session names in memory with those on disk. */
export async function reload({ database, endpoints, sessions }: OpenStore): Promise<void> {
  const [found, names] = await Promise.all([readEndpoints(database, undefined), readSessions(database)]);
  endpoints.replaceWith(found.endpoints);
  sessions.clear();
  for (const name of names) sessions.add(name);
}

async function readSessions(database: Database): Promise<Set<string>> {
  const keys = await database.keys(rangeOf("record")).all();
  return new Set(keys.flatMap((key) => partsOf(key, 1).texts));
}

async function readTrimmed(database: Database): Promise<Trimmed> {
  const trimmed = new Trimmed();
  for await (const [key, value] of database.iterator(rangeOf("trimmed"))) {
    const [session] = partsOf(key, 1).texts;
    trimmed.mark(session || undefined, numberOf(value));
  }
  return trimmed;
}

async function numbersAt(database: Database, keys: Uint8Array[]): Promise<(bigint | undefined)[]> {
  const values: (Uint8Array | undefined)[] = await database.getMany(keys);
  return values.map((value) => value && numberOf(value));
}

/** Reads endpoints. Orphans are removed endpoints whose last delivery was settled just before the process ended. */
async function readEndpoints(database: Database, pending: readonly EndpointName[] | undefined) {
  const endpoints = new Endpoints();
  const orphans: EndpointName[] = [];
  const used = pending && new Set(pending.map(({ session, endpointId }) => JSON.stringify([session, endpointId])));
  for await (const [key, value] of database.iterator(rangeOf("endpoint"))) {
    const [session = "", endpointId = ""] = partsOf(key, 2).texts;
    const endpoint = fromBinary(EndpointSchema, value);
    if (endpoint.removed && used && !used.has(JSON.stringify([session, endpointId])))
      orphans.push({ session, endpointId });
    else endpoints.set(session, endpoint);
  }
  return { endpoints, orphans };
}

/** Finds the queues with pending deliveries. */
export async function pendingQueues(database: Database): Promise<PendingQueue[]> {
  const queues = new Map<string, PendingQueue>();
  for await (const { name } of findNames(database, "firstAttempt", 2)) {
    const [session = "", endpointId = ""] = name;
    queues.set(JSON.stringify(name), { session, endpointId, firsts: true, retriesFromMs: Number.POSITIVE_INFINITY });
  }
  for await (const { name, firstNumber } of findNames(database, "retry", 2)) {
    const [session = "", endpointId = ""] = name;
    const firsts = queues.has(JSON.stringify(name));
    queues.set(JSON.stringify(name), { session, endpointId, firsts, retriesFromMs: Number(firstNumber) });
  }
  return [...queues.values()];
}
