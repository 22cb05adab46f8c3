import type { DataStore } from "../embedded/guarded-data.ts";
import type { DataKind } from "../embedded/ownership.ts";
import type { Database, Operation } from "./store/database.ts";
import { keyOf, rangeOf } from "./store/key.ts";
import type { StoreWriter } from "./store/store-writer.ts";

/** True if a write is synced. Chats can be fetched again; a login cannot. */
const synced = { credentials: true, chats: false } as const satisfies Record<DataKind, boolean>;

/**
 * Returns one session's engine data of one kind. Blocks while the store is read-only: failing instead would make the engine drop its
 * login.
 */
export const levelData = (database: Database, writer: StoreWriter, session: string, kind: DataKind): DataStore => ({
  read: (keys) => writer.retryUntilAvailable(() => database.getMany(keys.map((key) => keyOf(kind, session, key)))),
  async write(changes, guard) {
    const operations = changes.map(([name, value]): Operation => {
      const key = keyOf(kind, session, name);
      return value ? { type: "put", key, value } : { type: "del", key };
    });
    const write = () =>
      writer.write({
        sync: synced[kind],
        build: (group) => {
          guard();
          group.push(...operations);
        },
      });
    await writer.retryUntilAvailable(write);
  },
});

/** Returns the operations that remove all engine data of a session. */
export async function dataRemovals(database: Database, session: string): Promise<Operation[]> {
  const operations: Operation[] = [];
  for (const kind of ["credentials", "chats"] as const satisfies DataKind[]) {
    for await (const key of database.keys(rangeOf(kind, session))) operations.push({ type: "del", key });
  }
  return operations;
}
