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
const zero = Buffer.from([0, 2]);
const seqBytes = 8;

/** The key of an entry: sorts by its parts in turn. Throws on text that is not well-formed, which UTF-8 cannot tell apart. */
export function keyOf(family: Family, ...parts: readonly KeyPart[]): Uint8Array {
  return Buffer.concat([Buffer.of(families[family]), ...parts.flatMap(encoded)]);
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

/** A number as bytes that sort as it does. */
export function numberBytes(value: bigint): Uint8Array {
  const bytes = Buffer.alloc(seqBytes);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

/** The number in such bytes. */
export const numberOf = (bytes: Uint8Array): bigint =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readBigUInt64BE();

function encoded(part: KeyPart): Uint8Array[] {
  if (typeof part === "bigint") return [numberBytes(part)];
  if (!part.isWellFormed()) throw new TypeError("a key holds half a surrogate pair");
  return [...part.split("\0").flatMap((text, index) => [...(index ? [zero] : []), Buffer.from(text)]), end];
}

/** The first key after all that begin with these bytes. */
function successor(prefix: Uint8Array): Uint8Array {
  let last = prefix.length - 1;
  while (prefix[last] === 0xff) last -= 1;
  const next = Buffer.from(prefix.subarray(0, last + 1));
  next.writeUInt8(next.readUInt8(last) + 1, last);
  return next;
}
