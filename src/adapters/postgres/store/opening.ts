import { fromBinary } from "@bufbuild/protobuf";
import { EndpointSchema } from "../../../../gen/sessiond/store/v1/store_pb.js";
import type { Sealer } from "../../../ports/sealer.ts";
import type { Logger } from "../../../ports/system.ts";
import type { StoreMove } from "../../../ports/transfer.ts";
import { type EndpointName, Endpoints } from "../../embedded/endpoints.ts";
import { Trimmed } from "../../embedded/trimmed.ts";
import { Connection, type Target } from "./connection.ts";
import { checkDurability } from "./durability.ts";
import { checkIdentity } from "./identity.ts";
import type { NodeLife } from "./lane.ts";
import { migrate } from "./migrations.ts";
import { readMove, refuseMove } from "./move-mark.ts";
import { checkUnused } from "./occupancy.ts";
import { Outage } from "./outage.ts";
import { type Pending, readPending } from "./pending.ts";
import { Reads } from "./reads.ts";
import { checkSealKeys, type SealKeys } from "./seal-keys.ts";
import { placeOf, reasonOf } from "./start-errors.ts";
import { fromStoredText, toStoredText } from "./text.ts";
import { Values } from "./values.ts";

/** Number of epochs reserved for each life of the process. */
const epochsPerLife = 1n << 32n;
const oldestServer = 140_000;
const timeoutMs = 5_000;
const upkeepTimeoutMs = 60_000;

/** Options for opening a store. */
export interface StoreOptions {
  /** URL of the database, with the login. */
  readonly url: string;
  /** Sealer of values; undefined to store them unsealed. */
  readonly sealer?: Sealer | undefined;
  /** Whether to open the store even if it is a copy. */
  readonly adopt?: boolean | undefined;
  readonly logger?: Logger | undefined;
  /** Time for which callers wait while PostgreSQL does not answer, ms. Tests set it. */
  readonly patienceMs?: number | undefined;
}

/** The connections of a node: each has one purpose, so that none waits for another. */
export interface Connections {
  readonly log: Connection;
  readonly data: Connection;
  readonly reads: Connection;
  /** For work that may take long: opening, trimming, sealing anew. */
  readonly upkeep: Connection;
}

/** A store ready for use. */
export interface OpenStore {
  readonly connections: Connections;
  readonly reads: Reads;
  readonly upkeep: Reads;
  readonly outage: Outage;
  readonly values: Values;
  readonly life: NodeLife;
  readonly lastSeq: bigint;
  /** Monotonic time of the last write, ms; undefined for an empty store. */
  readonly lastWrittenMs: number | undefined;
  /** Greatest epoch that a lease of an earlier life can have. */
  readonly afterEpoch: bigint;
  readonly endpoints: Endpoints;
  readonly pending: Pending;
  /** Names of all sessions. */
  readonly sessions: Set<string>;
  readonly trimmed: Trimmed;
  /** Whether some values may not be sealed with the present key. */
  readonly hasOutdatedSeals: boolean;
}

/** Opens the store in a database, whose schema it creates or brings up to date. Rejects with a message that says what to do. */
export async function openStore(options: StoreOptions): Promise<OpenStore> {
  const target: Target = { url: options.url };
  const connectionOf = (limitMs: number) => new Connection({ target, timeoutMs: limitMs });
  const connections: Connections = {
    log: connectionOf(timeoutMs),
    data: connectionOf(timeoutMs),
    reads: connectionOf(timeoutMs),
    upkeep: connectionOf(upkeepTimeoutMs),
  };
  try {
    return await readStore(connections, options);
  } catch (cause) {
    await closeAll(connections);
    throw unusable(options.url, reasonOf(cause), cause);
  }
}

/** Returns the error of a store that cannot be opened. It names server and database, but not the login. */
export const unusable = (url: string, reason: string, cause: unknown): Error =>
  new Error(`the store in PostgreSQL at ${placeOf(url)} cannot be used: ${reason}`, { cause });

/** Closes all connections of a store. Idempotent. */
export async function closeAll(connections: Connections): Promise<void> {
  await Promise.all(Object.values(connections).map((connection: Connection) => connection.close()));
}

/** A store that this process alone may use, and whose keys it has. */
interface EnteredStore {
  readonly storeId: string;
  readonly values: Values;
  readonly seals: SealKeys;
}

/** Checks that a store on a server that was checked can be used, and brings its schema up to date. `admit` throws for a note against it. */
export async function enterStore(
  connection: Connection,
  { url, sealer, adopt = false, logger }: StoreOptions,
  admit: (move: StoreMove | undefined) => void,
): Promise<EnteredStore> {
  await migrate({ url }, connection, logger);
  await checkUnused(connection);
  admit(await readMove(connection));
  const storeId = await checkIdentity(connection, adopt);
  const values = new Values(sealer, storeId);
  return { storeId, values, seals: await checkSealKeys(connection, values) };
}

async function readStore(connections: Connections, options: StoreOptions): Promise<OpenStore> {
  const { upkeep } = connections;
  await checkServer(upkeep);
  await checkDurability(upkeep, options.logger);
  const { values, seals } = await enterStore(upkeep, options, refuseMove);
  const life = await takeNode(upkeep);
  const marks = await readMarks(upkeep);
  await seals.record();
  await beginJournal(upkeep, life, marks.clock);
  const outage = new Outage(options.logger, options.patienceMs);
  const reads = new Reads(connections.reads, outage);
  // Reads much at once, for which the other connection would not wait.
  const upkeepReads = new Reads(upkeep, outage);
  const pending = await readPending(upkeep);
  const endpoints = await readEndpoints(upkeepReads, values);
  await removeOrphans(upkeep, endpoints, pending.queues);
  return {
    connections,
    reads,
    upkeep: upkeepReads,
    outage,
    values,
    life,
    lastSeq: marks.lastSeq,
    lastWrittenMs: marks.clock === null ? undefined : Number(marks.clock),
    afterEpoch: life.epoch * epochsPerLife,
    endpoints: endpoints.all,
    pending,
    sessions: await readSessions(upkeepReads),
    trimmed: await readTrimmed(upkeepReads),
    hasOutdatedSeals: seals.isOutdated,
  };
}

/** Replaces the endpoints and session names in memory with those in the database. */
export async function reload({ upkeep, values, endpoints, sessions }: OpenStore): Promise<void> {
  const [found, names] = await Promise.all([readEndpoints(upkeep, values), readSessions(upkeep)]);
  endpoints.replaceWith(found.all);
  sessions.clear();
  for (const name of names) sessions.add(name);
}

/** Checks version, encoding and role of a server. */
export async function checkServer(connection: Connection): Promise<void> {
  const [server] = await connection.query<{ version: string; number: number; encoding: string; standby: boolean }>(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::integer AS number,
      current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby`,
  );
  if (!server) throw new Error("it does not tell its version");
  if (server.number < oldestServer) throw new Error(`it is PostgreSQL ${server.version}: sessiond needs 14 or later`);
  if (server.encoding !== "UTF8") {
    throw new Error(`the database's encoding is ${server.encoding}: create it with ENCODING 'UTF8'`);
  }
  if (server.standby) throw new Error("it is a standby: SESSIOND_STORE must lead to the primary");
}

/** Returns the log's end, and the monotonic time of the last write. */
export async function readMarks(connection: Connection): Promise<{ lastSeq: bigint; clock: bigint | null }> {
  const [marks] = await connection.query<{ last_seq: bigint; clock: bigint | null }>(
    `SELECT greatest(floor, (SELECT max(seq) FROM sessiond.event)) AS last_seq,
      (SELECT max(clock) FROM sessiond.journal) AS clock
    FROM sessiond.log_head`,
  );
  return { lastSeq: marks?.last_seq ?? 0n, clock: marks?.clock ?? null };
}

/** Name of the one node. */
export const nodeName = "main";

/** Begins a life of the node. Writes of an earlier one are refused from then on. */
export async function takeNode(connection: Connection): Promise<NodeLife> {
  const [life] = await connection.query<{ node: number; epoch: bigint }>(
    "SELECT node, epoch FROM sessiond.take_node_v1($1)",
    [nodeName],
  );
  if (!life) throw new Error("the node could not be taken");
  return life;
}

/** Begins the journal of this life with the clock of the earlier ones, whose groups nobody asks for any more. */
async function beginJournal(connection: Connection, { node, epoch }: NodeLife, clock: bigint | null): Promise<void> {
  if (clock === null) return;
  await connection.query(
    `WITH former AS (DELETE FROM sessiond.journal WHERE node = $1 AND epoch < $2)
    INSERT INTO sessiond.journal (node, lane, epoch, grp, clock) VALUES ($1, 'log', $2, 0, $3)`,
    [node, epoch, clock],
  );
}

/** Removes endpoints whose last delivery was settled just before the process ended. */
async function removeOrphans(
  connection: Connection,
  { all, removed }: StoredEndpoints,
  pending: readonly EndpointName[],
): Promise<void> {
  const used = new Set(pending.map(({ session, endpointId }) => JSON.stringify([session, endpointId])));
  for (const name of removed) {
    const { session, endpointId } = name;
    if (used.has(JSON.stringify([session, endpointId]))) continue;
    all.delete(name);
    const row = [toStoredText(session), toStoredText(endpointId)];
    await connection.query("DELETE FROM sessiond.endpoint WHERE session = $1 AND id = $2", row);
  }
}

interface StoredEndpoints {
  readonly all: Endpoints;
  /** Those that are no longer configured. */
  readonly removed: readonly EndpointName[];
}

async function readEndpoints(reads: Reads, values: Values): Promise<StoredEndpoints> {
  const all = new Endpoints();
  const removed: EndpointName[] = [];
  const rows = await reads.query<{ session: string; id: string; value: Buffer }>(
    "SELECT session, id, value FROM sessiond.endpoint",
  );
  for (const row of rows) {
    const [session, id] = [fromStoredText(row.session), fromStoredText(row.id)];
    const endpoint = fromBinary(EndpointSchema, values.open(row.value, "endpoint", session, id));
    all.set(session, endpoint);
    if (endpoint.removed) removed.push({ session, endpointId: id });
  }
  return { all, removed };
}

async function readSessions(reads: Reads): Promise<Set<string>> {
  const rows = await reads.query<{ name: string }>("SELECT name FROM sessiond.session");
  return new Set(rows.map(({ name }) => fromStoredText(name)));
}

async function readTrimmed(reads: Reads): Promise<Trimmed> {
  const trimmed = new Trimmed();
  const rows = await reads.query<{ session: string; seq: bigint }>("SELECT session, seq FROM sessiond.trimmed");
  for (const { session, seq } of rows) trimmed.mark(session === "" ? undefined : fromStoredText(session), seq);
  return trimmed;
}
