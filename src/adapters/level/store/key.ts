/** What the store keeps, each kind under a first byte of its own. The numbers are on disk: they never change. */
const families = {
  meta: 1,
  record: 2,
  /** All events by seq. */
  event: 3,
  /** Seqs of one session's events, without values. */
  sessionEvent: 4,
  endpoint: 5,
  /** Deliveries never attempted: session, endpoint, seq. */
  firstAttempt: 6,
  /** Deliveries to be retried: session, endpoint, due time, seq. */
  retry: 7,
  credentials: 8,
  chats: 9,
  /** Named readers of the log. */
  consumer: 10,
  /** Where each delivery to be retried lies: session, seq, endpoint. */
  retryPlace: 11,
  /** What became of deliveries, success or not: session, seq, endpoint. */
  delivered: 12,
  failed: 13,
  /** Up to which seq a session's log is trimmed; under no name the greatest of all. */
  trimmed: 14,
  /** Logins that are still to be unlinked at WhatsApp. */
  pendingUnlink: 15,
  /** Logs of reported messages, by session. */
  messages: 16,
} as const;

/** A kind of entry. */
export type Family = keyof typeof families;

/** Text of any characters, or a number from 0 to 2^64 - 1. */
export type KeyPart = string | bigint;

/** A stretch of keys, for iterators. */
export interface KeyRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
}

// Text ends with 00 01, and a 00 within it is written 00 02: no text's bytes begin another's, and the order stays.
const end = Buffer.from([0, 1]);
const zero = "\0\u0002";
const seqBytes = 8;
/** UTF-8 takes at most so many bytes for one unit of a text. */
const maxBytesOfUnit = 3;

/** The key of an entry: sorts by its parts in turn. Throws on text that is not well-formed, which UTF-8 cannot tell apart. */
export function keyOf(family: Family, ...parts: readonly KeyPart[]): Uint8Array {
  const key = Buffer.allocUnsafe(parts.reduce((bytes, part) => bytes + maxBytesOf(part), 1));
  let offset = key.writeUInt8(families[family]);
  for (const part of parts) offset = write(part, key, offset);
  return key.subarray(0, offset);
}

/** All keys that begin with these parts. */
export function rangeOf(family: Family, ...parts: readonly KeyPart[]): KeyRange {
  const gte = keyOf(family, ...parts);
  return { gte, lt: successor(gte) };
}

/** Takes a key's parts apart again: as many texts first as named, then numbers. */
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

/** Whether what an entry holds is for nobody else's eyes: all but facts about the store, and empty values. */
export const isSecret = ({ key, value }: { key: Uint8Array; value: Uint8Array }): boolean =>
  value.length > 0 && key[0] !== families.meta;

/** Whether an entry is of this kind. */
export const isOf = (family: Family, key: Uint8Array): boolean => key[0] === families[family];

/** A number as bytes that sort as it does. */
export function numberBytes(value: bigint): Uint8Array {
  const bytes = Buffer.alloc(seqBytes);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

/** The number in such bytes. */
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

/** The first key after all that begin with these bytes. */
function successor(prefix: Uint8Array): Uint8Array {
  let last = prefix.length - 1;
  while (prefix[last] === 0xff) last -= 1;
  const next = Buffer.from(prefix.subarray(0, last + 1));
  next.writeUInt8(next.readUInt8(last) + 1, last);
  return next;
}
