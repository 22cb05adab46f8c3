import {
  Engine_Kind as Engine,
  Session_Status as Status,
  Session_StatusReason as StatusReason,
} from "../../../gen/sessiond/v1/session_pb.js";
import { phoneOf, type SessionRow } from "./session-row.ts";

/** Columns that the table can be sorted by. */
export const sortKeys = ["name", "status", "since"] as const;
export type SortKey = (typeof sortKeys)[number];

/** Filter and order of the table. Empty sets accept everything. */
export interface SessionFilter {
  /** Words that must all occur, ignoring case; "key=value" is a pair of metadata. Quotes join words: `"a b"`, `team="a b"`. */
  readonly query: string;
  readonly statuses: ReadonlySet<Status>;
  readonly reasons: ReadonlySet<StatusReason>;
  readonly engines: ReadonlySet<Engine>;
  readonly sort: SortKey;
  readonly isDescending: boolean;
}

/** Reads a filter from the parameters of a link. Unknown values are ignored. */
export function readFilter(params: URLSearchParams): SessionFilter {
  const [, minus = "", key = ""] = /^(-?)(.*)$/.exec(params.get("sort") ?? "") ?? [];
  return {
    query: params.get("q") ?? "",
    statuses: namedValues(Status, params.getAll("status")),
    reasons: namedValues(StatusReason, params.getAll("reason")),
    engines: namedValues(Engine, params.getAll("engine")),
    sort: sortKeys.find((one) => one === key) ?? "name",
    isDescending: minus === "-",
  };
}

function namedValues<T extends number>(names: Readonly<Record<string, T | string>>, wanted: readonly string[]): Set<T> {
  return new Set(wanted.flatMap((name) => (typeof names[name] === "number" && names[name] !== 0 ? [names[name]] : [])));
}

/** Returns the text that a query is looked up in: one line for each field, and one "key=value" for each pair of metadata. */
export function searchTextOf(row: SessionRow): string {
  const pairs = Object.entries(row.metadata).map(([key, value]) => `${key}=${value}`);
  const fields = [row.name, row.account?.id ?? "", phoneOf(row) ?? "", row.account?.pushName ?? "", ...pairs];
  return `\n${fields.map((field) => field.replaceAll("\n", " ")).join("\n")}\n`.toLowerCase();
}

/** Returns the texts to look for in `searchTextOf`. A pair must be a whole line there, other words a part of one. */
export function searchTerms(query: string): string[] {
  const words = query.toLowerCase().match(/(?:"[^"]*"?|[^\s"])+/g) ?? [];
  const terms = words.map((word) => word.replaceAll('"', ""));
  return terms.filter((term) => term !== "").map((term) => (/^[^=]+=./.test(term) ? `\n${term}\n` : term));
}

/** Returns a comparison of rows in the filter's order. Equal rows are ordered by name. */
export function compareRows({ sort, isDescending }: Pick<SessionFilter, "sort" | "isDescending">) {
  const sign = isDescending ? -1 : 1;
  return (a: SessionRow, b: SessionRow): number => sign * compareBy[sort](a, b) || compareBy.name(a, b);
}

const compareBy: Readonly<Record<SortKey, (a: SessionRow, b: SessionRow) => number>> = {
  name: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  status: (a, b) => a.status - b.status,
  // The latest change first.
  since: (a, b) => (b.sinceMs ?? 0) - (a.sinceMs ?? 0),
};
