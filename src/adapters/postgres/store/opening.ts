import { hostname } from "node:os";
import type { Sealer } from "../../../ports/sealer.ts";
import type { Logger } from "../../../ports/system.ts";
import type { StoreMove } from "../../../ports/transfer.ts";
import { Endpoints } from "../../embedded/endpoints.ts";
import { Trimmed } from "../../embedded/trimmed.ts";
import { Membership, type NodeIdentity } from "../cluster/membership.ts";
import { checkName } from "../cluster/name-check.ts";
import { readSecret } from "../cluster/secret.ts";
import { type ClusterTimings, defaultTimings } from "../cluster/timings.ts";
import { Connection, type Target } from "./connection.ts";
import { checkDurability } from "./durability.ts";
import { checkIdentity } from "./identity.ts";
import type { NodeLife } from "./lane.ts";
import { migrate } from "./migrations.ts";
import { readMove, refuseMove } from "./move-mark.ts";
import { Outage } from "./outage.ts";
import { Reads } from "./reads.ts";
import { checkSealKeys, type SealKeys } from "./seal-keys.ts";
import { placeOf, reasonOf } from "./start-errors.ts";
import { fromStoredText } from "./text.ts";
import { Values } from "./values.ts";

const oldestServer = 140_000;
const timeoutMs = 5_000;
const upkeepTimeoutMs = 60_000;
/** Weight of sessions that a node runs at most, where it is not told: a guess. */
const defaultCapacity = 2_000;

/** Options for opening a store. */
export interface StoreOptions {
  /** URL of the database, with the login. */
  readonly url: string;
  /** Sealer of values; undefined to store them unsealed. */
  readonly sealer?: Sealer | undefined;
  /** True to open the store even if it is a copy. */
  readonly adopt?: boolean | undefined;
  readonly logger?: Logger | undefined;
  /** Time for which callers wait while PostgreSQL does not answer, ms. Tests set it. */
  readonly patienceMs?: number | undefined;
  /** This node among others on the same database. Left out: a node by the name of its machine. */
  readonly node?: Partial<NodeIdentity> | undefined;
  /** Tests shorten them. */
  readonly timings?: ClusterTimings | undefined;
}

/** The connections of a node: each has one purpose, so that none waits for another. */
export interface Connections {
  readonly log: Connection;
  readonly data: Connection;
  readonly reads: Connection;
  readonly beat: Connection;
  /** Open only while it is used, for work that may take long: opening, trimming, sealing anew, taking sessions from nodes that are gone. */
  readonly upkeep: Connection;
}

/** A store ready for use. */
export interface OpenStore {
  readonly connections: Connections;
  readonly reads: Reads;
  readonly upkeep: Reads;
  readonly outage: Outage;
  readonly values: Values;
  readonly membership: Membership;
  readonly secret: Uint8Array;
  readonly lastSeq: bigint;
  /** Monotonic time of the last write, ms; undefined for an empty store. */
  readonly lastWrittenMs: number | undefined;
  /** Endpoints of the sessions that this node owns. */
  readonly endpoints: Endpoints;
  /** Names of all sessions. */
  readonly sessions: Set<string>;
  readonly trimmed: Trimmed;
  /** True if some values may not be sealed with the present key. */
  readonly hasOutdatedSeals: boolean;
}

/** Opens the store in a database, whose schema it creates or brings up to date. Rejects with a message that says what to do. */
export async function openStore(options: StoreOptions): Promise<OpenStore> {
  const target: Target = { url: options.url };
  const { timings = defaultTimings } = options;
  const connectionOf = (limitMs: number) => new Connection({ target, timeoutMs: limitMs });
  const connections: Connections = {
    log: connectionOf(timeoutMs),
    data: connectionOf(timeoutMs),
    reads: connectionOf(timeoutMs),
    beat: connectionOf(timings.beatMs),
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

/** A store that this process may use, and whose keys it has. */
interface EnteredStore {
  readonly storeId: string;
  readonly values: Values;
  readonly seals: SealKeys;
}

/**
 * Checks that a store on a server that was checked can be used, and brings its schema up to date. `checkUse` rejects for other processes
 * that use it, `admit` throws for a note against it.
 */
export async function enterStore(
  connection: Connection,
  { url, sealer, adopt = false, logger }: StoreOptions,
  checkUse: (connection: Connection) => Promise<void>,
  admit: (move: StoreMove | undefined) => void,
): Promise<EnteredStore> {
  await migrate({ url }, connection, logger);
  await checkUse(connection);
  admit(await readMove(connection));
  const storeId = await checkIdentity(connection, adopt);
  const values = new Values(sealer, storeId);
  return { storeId, values, seals: await checkSealKeys(connection, values) };
}

async function readStore(connections: Connections, options: StoreOptions): Promise<OpenStore> {
  const { upkeep } = connections;
  const { logger, node = {}, timings = defaultTimings } = options;
  await checkServer(upkeep);
  await checkDurability(upkeep, logger);
  const identity = { name: hostname(), version: "", build: "", capacity: defaultCapacity, ...node };
  const checkUse = (connection: Connection) => checkName(connection, identity.name, timings);
  const { storeId, values, seals } = await enterStore(upkeep, options, checkUse, refuseMove);
  const marks = await readMarks(upkeep);
  await seals.record();
  const secret = await readSecret(upkeep, values, storeId);
  const outage = new Outage(logger, options.patienceMs);
  const reads = new Reads(connections.reads, outage);
  // Reads much at once, for which the other connection would not wait.
  const upkeepReads = new Reads(upkeep, outage);
  const membership = new Membership({ identity, timings, connection: connections.beat, logger });
  await beginJournal(upkeep, await membership.join(), marks.clock);
  await addLeases(upkeep);
  return {
    connections,
    reads,
    upkeep: upkeepReads,
    outage,
    values,
    membership,
    secret,
    lastSeq: marks.lastSeq,
    lastWrittenMs: marks.clock === null ? undefined : Number(marks.clock),
    endpoints: new Endpoints(),
    sessions: await readSessions(upkeepReads),
    trimmed: await readTrimmed(upkeepReads),
    hasOutdatedSeals: seals.isOutdated,
  };
}

/** Adds a lease for each session that has none, as after a move of the store. Some node takes each, and finds out what is to be done. */
async function addLeases(connection: Connection): Promise<void> {
  await connection.query(
    `INSERT INTO sessiond.lease (session, needs_owner, epoch)
    SELECT o.session, true, c.lease_floor FROM sessiond.cluster AS c, (
    SELECT name AS session FROM sessiond.session AS s WHERE NOT EXISTS (SELECT FROM sessiond.lease AS l WHERE l.session = s.name)
    UNION SELECT id FROM sessiond.pending_unlink AS u WHERE NOT EXISTS (SELECT FROM sessiond.lease AS l WHERE l.session = u.id)
    UNION SELECT session FROM sessiond.endpoint AS e
    WHERE NOT EXISTS (SELECT FROM sessiond.lease AS l WHERE l.session = e.session)
    ) AS o ON CONFLICT DO NOTHING`,
  );
}

/** Replaces the session names in memory with those in the database. */
export async function reloadNames({ upkeep, sessions }: OpenStore): Promise<void> {
  const names = await readSessions(upkeep);
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

/** Begins the journal of this life with the clock of the earlier ones, whose groups nobody asks for any more. */
async function beginJournal(connection: Connection, { node, epoch }: NodeLife, clock: bigint | null): Promise<void> {
  if (clock === null) return;
  await connection.query(
    `WITH former AS (DELETE FROM sessiond.journal WHERE node = $1 AND epoch < $2)
    INSERT INTO sessiond.journal (node, lane, epoch, grp, clock) VALUES ($1, 'log', $2, 0, $3)`,
    [node, epoch, clock],
  );
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
