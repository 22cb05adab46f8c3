import type { StoreMove, StoreRef } from "../../../ports/transfer.ts";
import { Connection } from "../store/connection.ts";
import { checkUnused } from "../store/occupancy.ts";
import { checkServer, enterStore, type StoreOptions, unusable } from "../store/opening.ts";
import type { SealKeys } from "../store/seal-keys.ts";
import { placeOf, reasonOf } from "../store/start-errors.ts";
import type { Values } from "../store/values.ts";

/** A store that moves, in whichever direction. */
export interface MovingStore {
  readonly connection: Connection;
  readonly ref: StoreRef;
  readonly move: StoreMove | undefined;
  readonly values: Values;
  readonly seals: SealKeys;
  close(): Promise<void>;
}

/** Pages and changes of whole tables may take long. */
const timeoutMs = 120_000;

/** Opens a store for a move. `check` runs before anything in the database is changed; `admit` throws for a note that stands against it. */
export async function openMoving(
  options: StoreOptions,
  check: (connection: Connection) => Promise<void>,
  admit: (move: StoreMove | undefined) => void,
): Promise<MovingStore> {
  const { url } = options;
  const connection = new Connection({ target: { url }, timeoutMs });
  try {
    await checkServer(connection);
    await check(connection);
    let found: StoreMove | undefined;
    const { storeId, values, seals } = await enterStore(connection, options, checkUnused, (move) => {
      found = move;
      admit(move);
    });
    const ref = { place: `PostgreSQL at ${placeOf(url)}`, id: storeId };
    return { connection, ref, move: found, values, seals, close: () => connection.close() };
  } catch (cause) {
    await connection.close();
    // The URL may be from the command line.
    throw unusable(url, reasonOf(cause).replaceAll("SESSIOND_STORE", "the database's URL"), cause);
  }
}
