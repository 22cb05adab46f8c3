import {
  Engine_Kind as Engine,
  Session_Health as Health,
  Session_Status as Status,
  Session_StatusReason as StatusReason,
} from "../../../gen/sessiond/v1/session_pb.js";
import { phoneOf, type SessionRow } from "./session-row.ts";

export type ExportFormat = "csv" | "json";

/** Returns sessions as a file that spreadsheets or programs read. */
export function exportRows(rows: readonly SessionRow[], format: ExportFormat): { type: string; text: string } {
  const records = rows.map(recordOf);
  if (format === "json") return { type: "application/json", text: `${JSON.stringify(records, null, 2)}\n` };
  return { type: "text/csv;charset=utf-8", text: csvOf(records) };
}

type SessionRecord = ReturnType<typeof recordOf>;

function recordOf(row: SessionRow) {
  return {
    name: row.name,
    status: Status[row.status] ?? "",
    reason: row.reason === 0 ? "" : (StatusReason[row.reason] ?? ""),
    message: row.message,
    since: timeOf(row.sinceMs),
    phone: phoneOf(row)?.slice(1) ?? "",
    account: row.account?.id ?? "",
    pushName: row.account?.pushName ?? "",
    engine: row.engine === 0 ? "" : (Engine[row.engine] ?? ""),
    health: row.health === 0 ? "" : (Health[row.health] ?? ""),
    attempt: row.attempt,
    nextAttemptAt: timeOf(row.nextAttemptAtMs),
    metadata: row.metadata,
  };
}

const timeOf = (ms: number | undefined): string => (ms === undefined ? "" : new Date(ms).toISOString());

/** Returns CSV (RFC 4180) with one column for each key of metadata. */
function csvOf(records: readonly SessionRecord[]): string {
  const keys = [...new Set(records.flatMap(({ metadata }) => Object.keys(metadata)))].sort();
  const columns = [
    "name",
    "status",
    "reason",
    "message",
    "since",
    "phone",
    "account",
    "pushName",
    "engine",
    "health",
    "attempt",
    "nextAttemptAt",
  ] as const satisfies readonly (keyof SessionRecord)[];
  const head = [...columns, ...keys.map((key) => `metadata.${key}`)];
  const lines = records.map((record) => [
    ...columns.map((column) => String(record[column])),
    ...keys.map((key) => (Object.hasOwn(record.metadata, key) ? (record.metadata[key] ?? "") : "")),
  ]);
  // The byte order mark tells spreadsheets that the text is UTF-8.
  return `\uFEFF${[head, ...lines].map((cells) => `${cells.map(cellOf).join(",")}\r\n`).join("")}`;
}

/** Spreadsheets take cells with these first characters, in their narrow or wide form, for formulas. */
const formula = /^[\s\0]*[=+\-@\t\r\n＝＋－＠]/;

function cellOf(text: string): string {
  const safe = formula.test(text) ? `'${text}` : text;
  return /[",;'\t\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
