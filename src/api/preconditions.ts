import { invalidArgument } from "../domain/errors.ts";

// Metadata with the conditions of a call. Over HTTP these are the headers of RFC 9110 and of the Idempotency-Key draft
// (draft-ietf-httpapi-idempotency-key-header).

/** Returns a revision as an entity tag. */
export const etagOf = (revision: number): string => `"${revision}"`;

/** Returns the revision in `if-match`, or undefined if the header is missing or "*". */
export function ifMatchOf(metadata: Headers): number | undefined {
  const value = metadata.get("if-match")?.trim();
  if (value === undefined || value === "*") return undefined;
  const revision = /^(?:W\/)?"?(\d{1,10})"?$/.exec(value)?.[1];
  if (revision !== undefined) return Number(revision);
  throw invalidArgument([{ field: "If-Match", description: "must be the ETag of an earlier answer" }]);
}

/** Returns the key that identifies repetitions of a call, if the caller sent one. */
export function idempotencyKeyOf(metadata: Headers): string | undefined {
  const key = metadata.get("idempotency-key") ?? undefined;
  if (key === undefined || /^[\x21-\x7e]{1,255}$/.test(key)) return key;
  throw invalidArgument([{ field: "Idempotency-Key", description: "must be 1 to 255 visible ASCII characters" }]);
}
