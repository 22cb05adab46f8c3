import type { StoreMarks, StoreTarget } from "../../../ports/transfer.ts";
import type { Connection } from "../store/connection.ts";
import { checkDurability } from "../store/durability.ts";
import { writeMove } from "../store/move-mark.ts";
import type { StoreOptions } from "../store/opening.ts";
import { completeSealing } from "../store/seal-keys.ts";
import { addEntries, readEntries } from "./entries.ts";
import { openMoving } from "./opening.ts";
import { layouts } from "./tables.ts";

/** Tables with entries. */
const tables = [...new Set(Object.values(layouts).map(({ table }) => `sessiond.${table}`))];

/** Name of a node that never lives: the clock of the store in its former place is in its journal. */
const formerNode = "moved store";

/** Opens a database for a store from another place. Rejects with a message that names server and database. */
export async function openPostgresTarget(options: StoreOptions): Promise<StoreTarget> {
  const store = await openMoving(
    options,
    (connection) => checkDurability(connection, options.logger),
    (move) => {
      if (move?.state === "moved") throw new Error(movedAway(move.other.place));
    },
  );
  const { connection, ref, move, values, seals, close } = store;
  try {
    return {
      ref,
      isUsed: !move && (await holdsEntries(connection)),
      importedFrom: move?.other,
      async begin(other, command) {
        await writeMove(connection, { state: "importing", other, command });
        await connection.query(
          "UPDATE sessiond.cluster SET lease_floor = greatest(lease_floor, (SELECT max(epoch) FROM sessiond.lease))",
        );
        await connection.query(`TRUNCATE sessiond.lease, ${tables.join(", ")}`);
        await seals.record();
      },
      add: (family, entries) => addEntries(connection, values, family, entries),
      entries: (family) => readEntries(connection, values, family),
      async activate(marks) {
        await setCounters(connection, marks);
        if (values.sealer) await completeSealing(connection, values.sealer);
        await connection.query("DELETE FROM sessiond.move");
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const movedAway = (place: string) =>
  `its store was moved to ${place}, where it goes on. If nothing needs what is left of it, drop it (DROP SCHEMA sessiond CASCADE), ` +
  "or move to another database";

async function holdsEntries(connection: Connection): Promise<boolean> {
  const any = tables.map((table) => `EXISTS (SELECT FROM ${table})`).join(" OR ");
  const [found] = await connection.query<{ used: boolean }>(
    `SELECT floor > 0 OR ${any} AS used FROM sessiond.log_head`,
  );
  return found?.used ?? false;
}

/** Sets the counters. The store may have been opened before, while it was empty. */
async function setCounters(connection: Connection, { lastSeq, lives, clockMs }: StoreMarks): Promise<void> {
  await connection.query("UPDATE sessiond.log_head SET floor = $1", [lastSeq]);
  await connection.query("UPDATE sessiond.cluster SET lease_floor = greatest(lease_floor, $1)", [lives]);
  await connection.query(
    `INSERT INTO sessiond.node AS n (name, epoch) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET epoch = greatest(n.epoch, excluded.epoch)`,
    [formerNode, lives],
  );
  if (clockMs === undefined) return;
  // As the last group of an earlier life.
  await connection.query(
    `INSERT INTO sessiond.journal AS j (node, lane, epoch, grp, clock) SELECT id, 'log', epoch, 0, $2 FROM sessiond.node WHERE name = $1
    ON CONFLICT (node, lane, epoch, grp) DO UPDATE SET clock = greatest(j.clock, excluded.clock)`,
    [formerNode, BigInt(clockMs)],
  );
}
