import { invalidArgument } from "../domain/errors.ts";

// Metadata that says under which conditions a call is meant; over HTTP these are the headers of RFC 9110 and of the
// Idempotency-Key draft (draft-ietf-httpapi-idempotency-key-header).

/** A revision as an entity tag. */
export const etagOf = (revision: number): string => `"${revision}"`;

/** The revision that `if-match` asks for; undefined where it is missing or "*". */
export function ifMatchOf(metadata: Headers): number | undefined {
  const value = metadata.get("if-match")?.trim();
  if (value === undefined || value === "*") return undefined;
  const revision = /^(?:W\/)?"?(\d{1,10})"?$/.exec(value)?.[1];
  if (revision !== undefined) return Number(revision);
  throw invalidArgument([{ field: "If-Match", description: "must be an ETag that an answer carried" }]);
}

/** The caller's name for a call that may be repeated. */
export function idempotencyKeyOf(metadata: Headers): string | undefined {
  const key = metadata.get("idempotency-key") ?? undefined;
  if (key === undefined || /^[\x21-\x7e]{1,255}$/.test(key)) return key;
  throw invalidArgument([{ field: "Idempotency-Key", description: "must be 1 to 255 visible ASCII characters" }]);
}
