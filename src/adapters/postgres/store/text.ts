/**
 * Returns a name or key as PostgreSQL can store it: without U+0000, distinct and in the same order. Throws for malformed text, which
 * UTF-8 cannot represent.
 */
export function toStoredText(text: string): string {
  if (!text.isWellFormed()) throw new TypeError("a key holds half a surrogate pair");
  // Few texts hold either character.
  return text.includes("\0") || text.includes("\u0001")
    ? text.replaceAll("\u0001", "\u0001\u0002").replaceAll("\0", "\u0001\u0001")
    : text;
}

/** Returns the text of `toStoredText`. */
export const fromStoredText = (stored: string): string =>
  stored.includes("\u0001") ? stored.replaceAll("\u0001\u0001", "\0").replaceAll("\u0001\u0002", "\u0001") : stored;
