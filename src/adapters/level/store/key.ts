/** Families of entries with the first byte of their keys. The numbers are on disk and never change. */
const families = {
  meta: 1,
  record: 2,
  /** Events by seq. */
  event: 3,
  /** Seqs of a session's events, without values. */
  sessionEvent: 4,
  endpoint: 5,
  /** Deliveries not attempted yet: session, endpoint, seq. */
  firstAttempt: 6,
  /** Deliveries to retry: session, endpoint, due time, seq. */
  retry: 7,
  credentials: 8,
  chats: 9,
  /** Named readers of the log. */
  consumer: 10,
  /** Due time of each delivery to retry: session, seq, endpoint. */
  retryPlace: 11,
  /** Settled deliveries, by outcome: session, seq, endpoint. */
  delivered: 12,
  failed: 13,
  /** Seq up to which a session's log is trimmed; under the empty name, the greatest of all. */
  trimmed: 14,
  /** Logins whose devices remain to be unlinked at WhatsApp. */
  pendingUnlink: 15,
  /** Logs of reported messages, by session. */
  messages: 16,
  /** Outgoing messages: session, place. */
  outgoing: 17,
  /** Places of outgoing messages by session and message id, and by session and the hash of their idempotency key. */
  outgoingId: 18,
  outgoingKey: 19,
  /** Places of outgoing messages that are still to be sent: session, place, without values. */
  outgoingUnsent: 20,
} as const;

/** Kind of entry. */
export type Family = keyof typeof families;

/** Part of a key: well-formed text, or an integer from 0 to 2^64 - 1. */
export type KeyPart = string | bigint;

/** Range of keys for iterators. */
export interface KeyRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
}

// Text ends with 00 01, and a 00 within it becomes 00 02. No text is then a prefix of another, and the order is preserved.
const end = Buffer.from([0, 1]);
const zero = "\0\u0002";
const seqBytes = 8;
/** Maximum number of UTF-8 bytes for a UTF-16 unit. */
const maxBytesOfUnit = 3;

/** Returns the key of an entry. Keys sort by their parts in turn. Throws for malformed text, which UTF-8 cannot represent. */
export function keyOf(family: Family, ...parts: readonly KeyPart[]): Uint8Array {
  const key = Buffer.allocUnsafe(parts.reduce((bytes, part) => bytes + maxBytesOf(part), 1));
  let offset = key.writeUInt8(families[family]);
  for (const part of parts) offset = write(part, key, offset);
  return key.subarray(0, offset);
}

/** Returns the range of all keys that begin with some parts. */
export function rangeOf(family: Family, ...parts: readonly KeyPart[]): KeyRange {
  const gte = keyOf(family, ...parts);
  return { gte, lt: successor(gte) };
}

/** Parses a key of `texts` texts followed by numbers. */
export function partsOf(key: Uint8Array, texts: number): { texts: string[]; numbers: bigint[] } {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  const read: string[] = [];
  let offset = 1;
  while (read.length < texts) {
    const stop = bytes.indexOf(end, offset);
    if (stop < 0) throw new Error("a key of the store cannot be read");
    read.push(bytes.toString("utf8", offset, stop).replaceAll("\0\u0002", "\0"));
    offset = stop + end.length;
  }
  const numbers: bigint[] = [];
  for (; offset + seqBytes <= bytes.length; offset += seqBytes) numbers.push(bytes.readBigUInt64BE(offset));
  return { texts: read, numbers };
}

/** Returns whether an entry's value must be sealed: all but facts about the store and empty values. */
export const isSecret = ({ key, value }: { key: Uint8Array; value: Uint8Array }): boolean =>
  value.length > 0 && key[0] !== families.meta;

/** Returns whether a key belongs to a family. */
export const isOf = (family: Family, key: Uint8Array): boolean => key[0] === families[family];

/** Encodes a number as bytes that sort in the same order. */
export function numberBytes(value: bigint): Uint8Array {
  const bytes = Buffer.alloc(seqBytes);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

/** Decodes the bytes of `numberBytes`. */
export const numberOf = (bytes: Uint8Array): bigint =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readBigUInt64BE();

const maxBytesOf = (part: KeyPart): number =>
  typeof part === "bigint" ? seqBytes : part.length * maxBytesOfUnit + end.length;

function write(part: KeyPart, key: Buffer, offset: number): number {
  if (typeof part === "bigint") return key.writeBigUInt64BE(part, offset);
  if (!part.isWellFormed()) throw new TypeError("a key holds half a surrogate pair");
  const written = offset + key.write(part.includes("\0") ? part.replaceAll("\0", zero) : part, offset);
  return written + end.copy(key, written);
}

/** Returns the first key after all keys that begin with a prefix. */
function successor(prefix: Uint8Array): Uint8Array {
  let last = prefix.length - 1;
  while (prefix[last] === 0xff) last -= 1;
  const next = Buffer.from(prefix.subarray(0, last + 1));
  next.writeUInt8(next.readUInt8(last) + 1, last);
  return next;
}
