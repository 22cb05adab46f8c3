import { setTimeout as pause } from "node:timers/promises";
import type { QueryResultRow } from "pg";
import { StoreUnavailable } from "../../../domain/errors.ts";
import type { Sealer } from "../../../ports/sealer.ts";
import type { Parameter } from "./connection.ts";
import type { Reads } from "./reads.ts";
import { completeSealing } from "./seal-keys.ts";
import { fromStoredText } from "./text.ts";
import type { Values, ValueTable } from "./values.ts";

/** Number of values read at a time. Other writes run in between. */
const pageSize = 128;
/** The same for parts of archives, which take 1 MiB each. */
const archivePageSize = 4;

/** A column of sealed values. */
interface SealedColumn {
  readonly table: string;
  readonly column: string;
  /** The table's key, in the order of its index. */
  readonly key: readonly string[];
  /** The columns that a value is sealed under, after the name of its place. */
  readonly context: readonly string[];
  readonly place: ValueTable;
}

const columns: readonly SealedColumn[] = [
  ["cluster", "secret", ["id"]] as const,
  ["shared_value", "value", ["name"]] as const,
  ["session", "record", ["name"]] as const,
  ["messages", "value", ["session"]] as const,
  ["endpoint", "value", ["session", "id"]] as const,
  ["credential", "value", ["session", "key"]] as const,
  ["chat", "value", ["session", "key"]] as const,
  ["pending_unlink", "value", ["id"]] as const,
  ["outgoing", "value", ["session", "place"]] as const,
  ["profile", "bytes", ["session", "epoch", "part"]] as const,
  ["event", "value", ["seq"], ["session", "id"]] as const,
  ["delivery", "value", ["session", "seq", "endpoint"]] as const,
  // The event of a pending delivery is the one of the log, as it was sealed there.
  ["delivery", "event", ["session", "seq", "endpoint"], ["session", "event_id"], "event"] as const,
  ["settled", "value", ["session", "seq", "endpoint"]] as const,
].map(([table, column, key, context = key, place = table]) => ({ table, column, key, context, place }));

type Row = Readonly<Record<string, string | bigint>> & { readonly sealed: Buffer };

/** Delay before the next try while PostgreSQL is away. */
const retryMs = 1_000;

/**
 * Seals every value with the present key while the store is in use. Resolves with the number of values sealed, early if `signal`
 * aborts. Idempotent.
 */
export async function resealAll(
  connection: Reads,
  values: Values,
  sealer: Sealer,
  signal: AbortSignal,
): Promise<number> {
  const reads = patient(connection, signal);
  let sealed = 0;
  for (const column of columns) sealed += await resealColumn(reads, values, sealer, column, signal);
  if (!signal.aborted) await completeSealing(reads, sealer);
  return sealed;
}

/** Returns a connection that waits for PostgreSQL as long as it is away. */
const patient = (connection: Reads, signal: AbortSignal): Pick<Reads, "query"> => ({
  async query<R extends QueryResultRow>(text: string, values: readonly Parameter[] = []): Promise<R[]> {
    for (;;) {
      try {
        return await connection.query<R>(text, values);
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        await pause(retryMs, undefined, { signal });
      }
    }
  },
});

async function resealColumn(
  reads: Pick<Reads, "query">,
  values: Values,
  sealer: Sealer,
  { table, column, key, context, place }: SealedColumn,
  signal: AbortSignal,
): Promise<number> {
  const names = [...new Set([...key, ...context])];
  const parameters = (first: number) => key.map((_, index) => `$${first + index}`).join(", ");
  const limit = place === "profile" ? archivePageSize : pageSize;
  let sealed = 0;
  let after: readonly (string | bigint)[] | undefined;
  while (!signal.aborted) {
    const rows: Row[] = await reads.query<Row>(
      `SELECT ${names.join(", ")}, ${column} AS sealed FROM sessiond.${table}
      WHERE length(${column}) > 0 ${after ? `AND (${key.join(", ")}) > (${parameters(1)})` : ""}
      ORDER BY ${key.join(", ")} LIMIT ${limit}`,
      after ?? [],
    );
    for (const row of rows) {
      if (sealer.keyIdOf(row.sealed) === sealer.keyId) continue;
      const parts = context.map((name) => partOf(row[name]));
      const value = values.seal(values.open(row.sealed, place, ...parts), place, ...parts);
      // A value that was written meanwhile is sealed with the present key already.
      await reads.query(
        `UPDATE sessiond.${table} SET ${column} = $1 WHERE (${key.join(", ")}) = (${parameters(3)}) AND ${column} = $2`,
        [value, row.sealed, ...key.map((name) => row[name] ?? "")],
      );
      sealed += 1;
    }
    const last = rows.at(-1);
    if (!last || rows.length < limit) break;
    after = key.map((name) => last[name] ?? "");
  }
  return sealed;
}

const partOf = (part: string | bigint | undefined): string | bigint =>
  typeof part === "string" ? fromStoredText(part) : (part ?? "");
