import { Records } from "../embedded/records.ts";
import type { Database, DatabaseSnapshot } from "./store/database.ts";
import { keyOf, partsOf, rangeOf } from "./store/key.ts";

/** The state that readers see: as of the last group written, so that record, pairing and seq belong together. */
export interface View {
  readonly snapshot: DatabaseSnapshot;
  readonly seq: bigint;
}

/** Source of the records and of the moment that they belong to. */
export interface LevelRecordSource {
  readonly database: Pick<Database, "get" | "entries" | "isReadable">;
  /** Throws once the store is closed. */
  view(): View;
}

/** Returns the records of a LevelDB, each read at the view of that moment. Parameters as in Records. */
export function levelRecords(source: LevelRecordSource, sessions: Iterable<string>, capacity?: number): Records {
  const { database } = source;
  return new Records(
    {
      seq: () => source.view().seq,
      async read(names) {
        const view = source.view();
        const { snapshot } = view;
        const [name] = names;
        const values =
          name !== undefined && names.length === 1
            ? await readOne(database, name, snapshot)
            : new Map((await database.entries({ ...rangeOf("record"), snapshot })).map(entryOf));
        // The snapshot went when the database was opened again, and writes go on since then.
        return source.view() !== view && !database.isReadable(snapshot) ? undefined : values;
      },
    },
    sessions,
    capacity,
  );
}

async function readOne(
  database: Pick<Database, "get">,
  name: string,
  snapshot: DatabaseSnapshot,
): Promise<Map<string, Uint8Array>> {
  const value = await database.get(keyOf("record", name), { snapshot });
  return new Map(value ? [[name, value]] : []);
}

const entryOf = ([key, value]: [Uint8Array, Uint8Array]): [string, Uint8Array] => [
  partsOf(key, 1).texts[0] ?? "",
  value,
];
