import type { StoreMarks, StoreSource } from "../../../ports/transfer.ts";
import type { Connection } from "../store/connection.ts";
import { refuseMove, writeMove } from "../store/move-mark.ts";
import { readMarks, type StoreOptions } from "../store/opening.ts";
import { readEntries } from "./entries.ts";
import { openMoving } from "./opening.ts";

/** Opens the store in a database for a move to another place. Rejects with a message that names server and database. */
export async function openPostgresSource(options: StoreOptions): Promise<StoreSource> {
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
