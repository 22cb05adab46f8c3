import type { EntryFamily, StoreEntry } from "../../../ports/transfer.ts";
import type { Connection, Parameter } from "../store/connection.ts";
import type { Values } from "../store/values.ts";
import { type Layout, layouts, type ReadRow, type WrittenRow } from "./tables.ts";

const pageRows = 128;

/** Yields all entries of a family, some at a time. */
export async function* readEntries(
  connection: Connection,
  values: Values,
  family: EntryFamily,
): AsyncGenerator<StoreEntry[]> {
  const layout = layouts[family];
  for (let after: ReadRow | undefined; ; ) {
    const rows: ReadRow[] = await connection.query<ReadRow>(selectionOf(layout, after), keyOf(layout, after));
    if (rows.length > 0) yield rows.map((row) => layout.entryOf(row, values));
    after = rows.at(-1);
    if (rows.length < pageRows) return;
  }
}

/** Adds entries of a family. */
export async function addEntries(
  connection: Connection,
  values: Values,
  family: EntryFamily,
  entries: readonly StoreEntry[],
): Promise<void> {
  const layout = layouts[family];
  const bytes: Uint8Array[] = [];
  let length = 0;
  const placed = (row: WrittenRow) =>
    Object.fromEntries(
      Object.entries(row).flatMap(([column, value]) => {
        if (!(value instanceof Uint8Array)) return [[column, value] as const];
        bytes.push(value);
        const at = length + 1;
        length += value.byteLength;
        return [[`${column}_at`, at] as const, [`${column}_len`, value.byteLength] as const];
      }),
    );
  const rows = entries.map((entry) => placed(layout.rowOf(entry, values)));
  const hasBytes = Object.values(layout.columns).includes("bytea");
  await connection.query(insertionOf(layout), [JSON.stringify(rows), ...(hasBytes ? [Buffer.concat(bytes)] : [])]);
}

/** Returns the statement that reads a page of rows after one. Numbers beyond 64 bits are read as texts, as all that is no bigint. */
function selectionOf({ table, key, columns, condition = "true" }: Layout, after: ReadRow | undefined): string {
  const order = key.join(", ");
  const next = after ? ` AND (${order}) > (${key.map((_, index) => `$${index + 1}`).join(", ")})` : "";
  const selected = Object.keys(columns).join(", ");
  return `SELECT ${selected} FROM sessiond.${table} WHERE ${condition}${next} ORDER BY ${order} LIMIT ${pageRows}`;
}

function keyOf({ key }: Layout, after: ReadRow | undefined): Parameter[] {
  return after ? key.map((column) => after[column] ?? null) : [];
}

/** Returns the statement that inserts rows. Bytes lie in one parameter, as in groups: each row tells from where (from 1) and how many. */
function insertionOf({ table, columns }: Layout): string {
  const names = Object.keys(columns);
  const types = Object.entries(columns).flatMap(([name, type]) =>
    type === "bytea" ? [`${name}_at integer`, `${name}_len integer`] : [`${name} ${type}`],
  );
  const selected = names.map((name) =>
    columns[name] === "bytea" ? `substring($2::bytea FROM r.${name}_at FOR r.${name}_len)` : `r.${name}`,
  );
  return `INSERT INTO sessiond.${table} (${names.join(", ")})
    SELECT ${selected.join(", ")} FROM jsonb_to_recordset($1::jsonb) AS r (${types.join(", ")})`;
}
