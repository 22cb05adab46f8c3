import { fromBinary } from "@bufbuild/protobuf";
import { EndpointSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import { type EndpointName, Endpoints } from "../backend/endpoints.ts";
import { type Database, type Operation, openDatabase } from "./database.ts";
import { endpointRemoval } from "./delivery-store.ts";
import { type Family, keyOf, numberBytes, numberOf, partsOf, rangeOf } from "./key.ts";

/** Grows when what is on disk is laid out anew. */
const format = 1n;
/** Epochs within one life of the process lie below this. */
const epochsPerLife = 1n << 32n;

const formatKey = keyOf("meta", "format");
const lifeKey = keyOf("meta", "life");
const seqKey = keyOf("meta", "seq");

/** A queue with pending deliveries. */
export interface PendingQueue extends EndpointName {
  readonly firsts: boolean;
  /** When its first retry is due (Unix ms). */
  readonly retriesFromMs: number;
}

/** A store that is ready for use. */
export interface OpenStore {
  readonly database: Database;
  readonly lastSeq: bigint;
  /** No lease of an earlier life has one above. */
  readonly afterEpoch: bigint;
  readonly endpoints: Endpoints;
  readonly pending: readonly PendingQueue[];
}

/** Opens the store in a directory and reads what is kept in memory. Rejects with a message that names the directory. */
export async function openStore(directory: string): Promise<OpenStore> {
  const database = await openDatabase(directory);
  try {
    return await readStore(database);
  } catch (cause) {
    await database.close();
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`the store in the data directory ${directory} cannot be used: ${message}`, { cause });
  }
}

/** What records the end of the log. */
export const seqAddition = (seq: bigint): Operation => ({ type: "put", key: seqKey, value: numberBytes(seq) });

async function readStore(database: Database): Promise<OpenStore> {
  const [formatFound, life = 0n, lastSeq = 0n] = await numbersAt(database, [formatKey, lifeKey, seqKey]);
  if (formatFound === undefined && (await database.keys({ limit: 1 }).all()).length > 0) {
    throw new Error("it was not made by sessiond");
  }
  if (formatFound !== undefined && formatFound !== format) {
    throw new Error(`its format is ${formatFound}, this sessiond knows ${format}`);
  }
  const pending = await pendingQueues(database);
  const { endpoints, orphans } = await readEndpoints(database, pending);
  const opening: Operation[] = [
    { type: "put", key: formatKey, value: numberBytes(format) },
    { type: "put", key: lifeKey, value: numberBytes(life + 1n) },
    ...orphans.map(endpointRemoval),
  ];
  await database.batch(opening, { sync: true });
  return { database, lastSeq, afterEpoch: (life + 1n) * epochsPerLife, endpoints, pending };
}

async function numbersAt(database: Database, keys: Uint8Array[]): Promise<(bigint | undefined)[]> {
  const values: (Uint8Array | undefined)[] = await database.getMany(keys);
  return values.map((value) => value && numberOf(value));
}

/** Removed endpoints whose last delivery was settled right before the end of the last life are orphans. */
async function readEndpoints(database: Database, pending: readonly EndpointName[]) {
  const endpoints = new Endpoints();
  const orphans: EndpointName[] = [];
  const used = new Set(pending.map(({ session, endpointId }) => JSON.stringify([session, endpointId])));
  for await (const [key, value] of database.iterator(rangeOf("endpoint"))) {
    const [session = "", endpointId = ""] = partsOf(key, 2).texts;
    const endpoint = fromBinary(EndpointSchema, value);
    if (endpoint.removed && !used.has(JSON.stringify([session, endpointId]))) orphans.push({ session, endpointId });
    else endpoints.set(session, endpoint);
  }
  return { endpoints, orphans };
}

async function pendingQueues(database: Database): Promise<PendingQueue[]> {
  const queues = new Map<string, PendingQueue>();
  for await (const name of heads(database, "firstAttempt")) {
    queues.set(JSON.stringify([name.session, name.endpointId]), {
      session: name.session,
      endpointId: name.endpointId,
      firsts: true,
      retriesFromMs: Number.POSITIVE_INFINITY,
    });
  }
  for await (const { session, endpointId, number } of heads(database, "retry")) {
    const key = JSON.stringify([session, endpointId]);
    const firsts = queues.has(key);
    queues.set(key, { session, endpointId, firsts, retriesFromMs: Number(number) });
  }
  return [...queues.values()];
}

/** The first key of each queue and the number it begins with: leaps from queue to queue, however long they are. */
async function* heads(database: Database, family: Family): AsyncGenerator<EndpointName & { number: bigint }> {
  const keys = database.keys(rangeOf(family));
  try {
    for (let key = await keys.next(); key; key = await keys.next()) {
      const { texts, numbers } = partsOf(key, 2);
      const [session = "", endpointId = ""] = texts;
      yield { session, endpointId, number: numbers[0] ?? 0n };
      keys.seek(rangeOf(family, session, endpointId).lt);
    }
  } finally {
    await keys.close();
  }
}
