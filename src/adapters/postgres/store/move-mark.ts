import type { StoreMove } from "../../../ports/transfer.ts";
import { moveRefusal } from "../../embedded/move-refusal.ts";
import type { Connection } from "./connection.ts";

/** Returns the note about a move, if the store has one. */
export async function readMove(connection: Connection): Promise<StoreMove | undefined> {
  const [row] = await connection.query<{
    state: StoreMove["state"];
    place: string;
    id: string;
    command: string;
  }>("SELECT state, other_place AS place, other_id AS id, command FROM sessiond.move");
  return row && { state: row.state, other: { place: row.place, id: row.id }, command: row.command };
}

/** Notes a move, in place of an earlier note. */
export async function writeMove(connection: Connection, { state, other, command }: StoreMove): Promise<void> {
  await connection.query(
    `INSERT INTO sessiond.move (state, other_place, other_id, command) VALUES ($1, $2, $3, $4)
    ON CONFLICT (one_row) DO UPDATE SET state = excluded.state, other_place = excluded.other_place,
      other_id = excluded.other_id, command = excluded.command`,
    [state, other.place, other.id, command],
  );
}

/** Throws if a store with this note must not be opened. */
export function refuseMove(move: StoreMove | undefined): void {
  if (move) throw new Error(moveRefusal(move));
}
