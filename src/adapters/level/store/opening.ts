import { fromBinary } from "@bufbuild/protobuf";
import { EndpointSchema } from "../../../../gen/sessiond/store/v1/store_pb.js";
import type { Sealer } from "../../../ports/sealer.ts";
import type { Logger } from "../../../ports/system.ts";
import { type EndpointName, Endpoints } from "../../embedded/endpoints.ts";
import { Trimmed } from "../../embedded/trimmed.ts";
import { endpointRemoval } from "../delivery-store.ts";
import { lastWrittenMs } from "./clock-mark.ts";
import { Database, type Operation } from "./database.ts";
import { DirectoryGuard } from "./directory-guard.ts";
import { currentFormat, formatAdditions, formatOf } from "./format.ts";
import { type GenerationCount, generationKey, generationOf } from "./generation.ts";
import { identityAdditions } from "./identity.ts";
import { keyOf, numberBytes, numberOf, partsOf, rangeOf } from "./key.ts";
import { namesIn } from "./names-in.ts";
import { checkSealKeys } from "./seal-keys.ts";

/** Epochs within one life of the process lie below this. */
const epochsPerLife = 1n << 32n;

export const lifeKey = keyOf("meta", "life");
export const seqKey = keyOf("meta", "seq");

/** A queue with pending deliveries. */
export interface PendingQueue extends EndpointName {
  readonly firsts: boolean;
  /** When its first retry is due, on the monotonic clock. */
  readonly retriesFromMs: number;
}

/** A store that is ready for use. */
export interface OpenStore {
  readonly database: Database;
  readonly guard: DirectoryGuard;
  readonly generation: GenerationCount;
  /** Something may not be sealed with the present key. */
  readonly outdatedSeals: boolean;
  readonly lastSeq: bigint;
  /** Where the monotonic clock was at the last write; undefined for an empty store. */
  readonly lastWrittenMs: number | undefined;
  /** No lease of an earlier life has one above. */
  readonly afterEpoch: bigint;
  readonly endpoints: Endpoints;
  readonly pending: readonly PendingQueue[];
  /** Names of all sessions. */
  readonly sessions: Set<string>;
  readonly trimmed: Trimmed;
}

/** How a store is opened. */
export interface StoreOptions {
  readonly directory: string;
  /** Left out: what is stored is not sealed. */
  readonly sealer?: Sealer | undefined;
  /** Opens the store even if it is a copy. */
  readonly adopt?: boolean | undefined;
  /** This program's version; its format only where tests stand for another program. */
  readonly program?: { readonly version: string; readonly format?: bigint } | undefined;
  /** Told what happens to the store itself. */
  readonly logger?: Logger;
}

/** Opens the store in a directory and reads what is kept in memory. Rejects with a message that names the directory. */
export async function openStore(options: StoreOptions): Promise<OpenStore> {
  const guard = await DirectoryGuard.acquire(options.directory);
  try {
    return await openGuarded(guard, options);
  } catch (error) {
    await guard.release();
    throw error;
  }
}

async function openGuarded(guard: DirectoryGuard, options: StoreOptions): Promise<OpenStore> {
  const { directory } = options;
  const database = await Database.open(directory, options.sealer);
  try {
    return await readStore(database, guard, options);
  } catch (cause) {
    await database.close();
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`the store in the data directory ${directory} cannot be used: ${message}`, { cause });
  }
}

/** What records the end of the log. */
export const seqAddition = (seq: bigint): Operation => ({ type: "put", key: seqKey, value: numberBytes(seq) });

async function readStore(database: Database, guard: DirectoryGuard, options: StoreOptions): Promise<OpenStore> {
  const program = { version: "of unknown version", format: currentFormat, ...options.program };
  const format = await formatOf(database, program);
  const [life = 0n, lastSeq = 0n] = await numbersAt(database, [lifeKey, seqKey]);
  const seals = await checkSealKeys(database, options.sealer);
  const identity = await identityAdditions(database, options.adopt ?? false);
  await guard.mark();
  const generation = generationOf(await database.get(generationKey));
  const pending = await pendingQueues(database);
  const { endpoints, orphans } = await readEndpoints(database, pending);
  const writtenMs = await lastWrittenMs(database, lastSeq, pending);
  const formats = await formatAdditions(database, format, program, (backup) =>
    options.logger?.info({ backup, from: format, to: program.format }, "the store has a new format; there is a backup"),
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
  const opened = { database, guard, generation, outdatedSeals: seals.outdated };
  return { ...opened, lastSeq, lastWrittenMs: writtenMs, afterEpoch, endpoints, pending, sessions, trimmed };
}

/** Makes what is kept in memory of endpoints and sessions what is on disk. */
export async function readAgain({ database, endpoints, sessions }: OpenStore): Promise<void> {
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

/** Removed endpoints whose last delivery was settled right before the end of the last life are orphans. */
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

async function pendingQueues(database: Database): Promise<PendingQueue[]> {
  const queues = new Map<string, PendingQueue>();
  for await (const { name } of namesIn(database, "firstAttempt", 2)) {
    const [session = "", endpointId = ""] = name;
    queues.set(JSON.stringify(name), { session, endpointId, firsts: true, retriesFromMs: Number.POSITIVE_INFINITY });
  }
  for await (const { name, firstNumber } of namesIn(database, "retry", 2)) {
    const [session = "", endpointId = ""] = name;
    const firsts = queues.has(JSON.stringify(name));
    queues.set(JSON.stringify(name), { session, endpointId, firsts, retriesFromMs: Number(firstNumber) });
  }
  return [...queues.values()];
}
