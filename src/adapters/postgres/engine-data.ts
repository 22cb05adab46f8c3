import type { DataStore } from "../embedded/guarded-data.ts";
import type { DataKind } from "../embedded/ownership.ts";
import type { CachedValues, CredentialCache } from "./credential-cache.ts";
import type { OpenStore } from "./store/opening.ts";
import type { Operation } from "./store/operation.ts";
import { fromStoredText, toStoredText } from "./store/text.ts";
import type { Writers } from "./writers.ts";

/** True if a write is synced. Chats can be fetched again; a login cannot. */
const synced = { credentials: true, chats: false } as const satisfies Record<DataKind, boolean>;
const tables = { credentials: "credential", chats: "chat" } as const satisfies Record<DataKind, string>;

/** The parts of a backend that engine data needs. */
export interface DataContext {
  readonly store: Pick<OpenStore, "reads" | "values">;
  readonly writers: Writers;
  /** Makes a write depend on this node's right to write the session. Throws LeaseLost if it has none. */
  readonly authorise: (session: string, operations: Operation[]) => void;
  readonly cache: CredentialCache;
}

/**
 * Returns one session's engine data of one kind, for a new handle. Waits while PostgreSQL is away: failing instead would make the
 * engine drop its login. Credentials are answered from memory once they were read or written.
 */
export function postgresData(context: DataContext, session: string, kind: DataKind): DataStore {
  const { writers, store } = context;
  const cached = kind === "credentials" ? context.cache.open() : undefined;
  return {
    async read(keys) {
      await writers.wiped();
      return writers.data.retryUntilAvailable(async () => {
        await store.reads.answering();
        return readThrough(context, session, kind, keys, cached);
      });
    },
    async write(changes, guard) {
      for (const [key] of changes) toStoredText(key);
      const write = () =>
        writers.data.write({
          sync: synced[kind],
          owner: session,
          build: (operations) => {
            guard();
            context.authorise(session, operations);
            for (const [key, value] of changes) operations.push({ type: kind, session, key, value });
          },
          // Not earlier: what is not on disk must not be read.
          written: () => cached?.written(changes),
        });
      await writers.wiped();
      await writers.data.retryUntilAvailable(write);
    },
  };
}

async function readThrough(
  { store }: DataContext,
  session: string,
  kind: DataKind,
  keys: readonly string[],
  cached: CachedValues | undefined,
): Promise<(Uint8Array | undefined)[]> {
  const missing = cached ? keys.filter((key) => !cached.has(key)) : keys;
  // Taken now, as reading may displace them.
  const known = new Map(keys.map((key) => [key, cached?.get(key)]));
  if (missing.length > 0) {
    const writes = cached?.writes;
    const found = await readRows(store, session, kind, missing);
    for (const key of missing) {
      const value = found.get(key);
      known.set(key, value);
      if (cached?.writes === writes) cached?.fill(key, value);
    }
  }
  return keys.map((key) => known.get(key)?.slice());
}

/** Reads the values of some keys. */
async function readRows(
  { reads, values }: Pick<OpenStore, "reads" | "values">,
  session: string,
  kind: DataKind,
  keys: readonly string[],
): Promise<Map<string, Uint8Array>> {
  const table = tables[kind];
  const rows = await reads.query<{ key: string; value: Buffer }>(
    `SELECT key, value FROM sessiond.${table} WHERE session = $1 AND key = ANY ($2)`,
    [toStoredText(session), keys.map(toStoredText)],
  );
  return new Map(
    rows.map((row) => {
      const key = fromStoredText(row.key);
      // A copy: the row is a part of all that was received with it.
      return [key, new Uint8Array(values.open(row.value, table, session, key))];
    }),
  );
}
