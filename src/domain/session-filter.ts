import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  type Engine_Kind,
  type Session_StatusReason as Reason,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import { accountOf, statusOf } from "./session-state.ts";

/** A filter on sessions. A session has to pass each part that is set. */
export interface SessionFilter {
  /** True if STOPPED sessions pass. They also do if `status` names STOPPED. */
  readonly all: boolean;
  /** Pairs that the metadata must have. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Words that have to occur in the session's texts. */
  readonly query: string;
  /** Empty: any. The same holds for the other lists. */
  readonly status: readonly Status[];
  readonly reason: readonly Reason[];
  readonly engine: readonly Engine_Kind[];
}

/** Returns the test of a filter. */
export function sessionMatcher(filter: SessionFilter): (record: SessionRecord) => boolean {
  const { all, status, reason, engine } = filter;
  const pairs = Object.entries(filter.metadata);
  const showsStopped = all || status.length > 0;
  const hasText = textMatcher(filter.query);
  return (record) => {
    const now = statusOf(record);
    return (
      (showsStopped || now !== Status.STOPPED) &&
      (status.length === 0 || status.includes(now)) &&
      (reason.length === 0 || reason.includes(record.reason)) &&
      (engine.length === 0 || engine.includes(record.engine)) &&
      hasPairs(record.config?.metadata ?? {}, pairs) &&
      hasText(record)
    );
  };
}

/** Returns a filter as a value that is equal for equal filters, whatever the order of their parts. */
export function normalizeFilter({ all, metadata, query, status, reason, engine }: SessionFilter): unknown {
  const pairs = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  return [all, pairs, wordsOf(query), status.toSorted(), reason.toSorted(), engine.toSorted()];
}

const hasPairs = (metadata: Readonly<Record<string, string>>, pairs: readonly (readonly [string, string])[]): boolean =>
  pairs.every(([key, value]) => Object.hasOwn(metadata, key) && metadata[key] === value);

/** Phone numbers with fewer digits are searched as words only. */
const minDigits = 4;

/** Returns the test for a text: all its words occur, or it is part of the phone number, however that is written. */
function textMatcher(query: string): (record: SessionRecord) => boolean {
  const words = wordsOf(query);
  if (words.length === 0) return () => true;
  const digits = /^[\d\s+().-]+$/.test(query) ? query.replace(/\D/g, "") : "";
  return (record) => {
    const text = textOf(record);
    if (words.every((word) => text.includes(word))) return true;
    return digits.length >= minDigits && (accountOf(record)?.id.split("@", 1)[0] ?? "").includes(digits);
  };
}

const wordsOf = (query: string): string[] => (query === "" ? [] : fold(query).split(/\s+/).filter(Boolean));

/** Texts by record: a record is never changed, and a search reads all of them. */
const texts = new WeakMap<SessionRecord, string>();

/** Returns all that a search of a session reads, one part a line. */
function textOf(record: SessionRecord): string {
  const known = texts.get(record);
  if (known !== undefined) return known;
  const { id = "", pushName = "" } = accountOf(record) ?? {};
  const pairs = Object.entries(record.config?.metadata ?? {}).map(([key, value]) => `${key}=${value}`);
  const text = fold([record.name, id, pushName, ...pairs].join("\n"));
  texts.set(record, text);
  return text;
}

/** Returns a text as it is compared: without case, and with the plain form of styled letters. */
const fold = (text: string): string => text.normalize("NFKC").toLowerCase();
