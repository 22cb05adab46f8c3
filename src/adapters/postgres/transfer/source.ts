import type { StoreMarks, StoreSource } from "../../../ports/transfer.ts";
import { PostgresSharedValues } from "../cluster/shared-values.ts";
import type { Connection } from "../store/connection.ts";
import { refuseMove, writeMove } from "../store/move-mark.ts";
import { readMarks, type StoreOptions } from "../store/opening.ts";
import { fromStoredText, toStoredText } from "../store/text.ts";
import type { Values } from "../store/values.ts";
import { readEntries } from "./entries.ts";
import { openMoving } from "./opening.ts";

/** A store in a database, with what it has that other stores have not. */
export interface PostgresSource extends StoreSource {
  /** Yields the credentials of all sessions that have this key. */
  credentialsOf(key: string): AsyncIterable<{ readonly session: string; readonly value: Uint8Array }>;
  /** Returns the sessions with files on the machine of a node, with the node's name. */
  homes(): Promise<readonly { readonly session: string; readonly node: string }[]>;
  /** Returns a value that the nodes share; undefined if there is none of this name. */
  sharedValue(name: string): Promise<Uint8Array | undefined>;
}

/** Opens the store in a database for a move to another place. Rejects with a message that names server and database. */
export async function openPostgresSource(options: StoreOptions): Promise<PostgresSource> {
  const store = await openMoving(options, checkStore, (move) => {
    if (move?.state === "importing") refuseMove(move);
  });
  const { connection, ref, move, values, close } = store;
  try {
    return {
      ref,
      marks: await takeStore(connection),
      movedTo: move?.other,
      entries: (family) => readEntries(connection, values, family),
      credentialsOf: (key) => readCredentials(connection, values, key),
      homes: () => readHomes(connection),
      sharedValue: (name) => new PostgresSharedValues(connection, values).read(name),
      retire: (other, command) => writeMove(connection, { state: "moved", other, command }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function checkStore(connection: Connection): Promise<void> {
  const [found] = await connection.query<{ store: boolean }>(
    "SELECT to_regclass('sessiond.cluster') IS NOT NULL AS store",
  );
  if (!found?.store) throw new Error("there is no store in it");
}

/** Takes the store from processes that have lost their connections and could come back. Returns its counters. */
async function takeStore(connection: Connection): Promise<StoreMarks> {
  const [retired] = await connection.query<{ lives: bigint }>("SELECT sessiond.retire_nodes_v1() AS lives");
  const { lastSeq, clock } = await readMarks(connection);
  return { lastSeq, lives: retired?.lives ?? 1n, clockMs: clock === null ? undefined : Number(clock) };
}

/** Number of credentials in a page: each is small. */
const pageRows = 500;

async function* readCredentials(connection: Connection, values: Values, key: string) {
  for (let after = ""; ; ) {
    const rows = await connection.query<{ session: string; value: Buffer }>(
      `SELECT session, value FROM sessiond.credential WHERE key = $1 AND session > $2 ORDER BY session LIMIT ${pageRows}`,
      [toStoredText(key), after],
    );
    for (const { session: stored, value } of rows) {
      const session = fromStoredText(stored);
      yield { session, value: values.open(value, "credential", session, key) };
    }
    after = rows.at(-1)?.session ?? "";
    if (rows.length < pageRows) return;
  }
}

async function readHomes(connection: Connection) {
  const rows = await connection.query<{ session: string; node: string }>(
    "SELECT session, name AS node FROM sessiond.lease JOIN sessiond.node ON id = home ORDER BY session",
  );
  return rows.map(({ session, node }) => ({ session: fromStoredText(session), node: fromStoredText(node) }));
}
