import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { type Duplex, pipeline, Readable } from "node:stream";
import { createGunzip, createGzip } from "node:zlib";
import { SealBroken } from "../../ports/sealer.ts";

/** A profile's archive cannot be made or used. The message contains no secret. */
export class ArchiveUnusable extends Error {
  override readonly name = "ArchiveUnusable";
}

/** Facts by which the reader of an archive knows that it is whole. */
export interface ArchiveDigest {
  /** SHA-256, hexadecimal. */
  readonly sha256: string;
  readonly size: number;
}

interface FileHeader {
  /** Below the packed directory, with forward slashes. */
  readonly path: string;
  readonly size: number;
}

/** Size of the header's own length. */
const lengthBytes = 4;
const maxHeaderBytes = 64 * 1024;

/** Packs the files below a directory that `isWanted` by their path, with forward slashes. */
export async function* packFiles(directory: string, isWanted: (path: string) => boolean): AsyncGenerator<Uint8Array> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter(isWanted)
    .sort();
  yield* through(framesOf(directory, paths), createGzip({ level: 1 }));
}

/** Passes bytes through a stream. The errors of both come to the reader. */
function through(bytes: AsyncIterable<Uint8Array>, stream: Duplex): Duplex {
  return pipeline(Readable.from(bytes), stream, () => {});
}

async function* framesOf(directory: string, paths: readonly string[]): AsyncGenerator<Buffer> {
  for (const path of paths) {
    const file = await open(join(directory, path));
    try {
      const { size } = await file.stat();
      const header = Buffer.from(JSON.stringify({ path, size } satisfies FileHeader));
      const length = Buffer.alloc(lengthBytes);
      length.writeUInt32BE(header.length);
      yield Buffer.concat([length, header]);
      let read = 0;
      for await (const chunk of createReadStream("", { fd: file, autoClose: false })) {
        read += chunk.length;
        yield chunk;
      }
      if (read !== size) throw new ArchiveUnusable("a file changed while it was packed");
    } finally {
      await file.close();
    }
  }
}

/** Passes bytes on, and counts and digests them. Throws ArchiveUnusable once there are more than `maxBytes`. */
export class Measured {
  readonly #hash = createHash("sha256");
  #size = 0;

  async *pass(bytes: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      this.#size += chunk.length;
      if (this.#size > maxBytes) throw new ArchiveUnusable(`the profile is larger than ${maxBytes} bytes when packed`);
      this.#hash.update(chunk);
      yield chunk;
    }
  }

  /** Returns the digest of all that has passed. Must be called once, at the end. */
  digest(): ArchiveDigest {
    return { sha256: this.#hash.digest("hex"), size: this.#size };
  }
}

/**
 * Unpacks an archive into a directory, and resolves when all of it is on disk. Rejects with ArchiveUnusable if it is not the one that
 * `expected` describes; the directory has to be thrown away then.
 */
export async function unpackFiles(
  bytes: AsyncIterable<Uint8Array>,
  directory: string,
  expected: ArchiveDigest,
): Promise<void> {
  const measured = new Measured();
  await mkdir(directory, { recursive: true, mode: 0o700 });
  try {
    await writeFiles(new ByteReader(through(measured.pass(bytes, expected.size), createGunzip())), directory);
  } catch (error) {
    if (isDamage(error)) throw new ArchiveUnusable("the archive is damaged", { cause: error });
    throw error;
  }
  const { sha256, size } = measured.digest();
  if (size !== expected.size || sha256 !== expected.sha256) throw new ArchiveUnusable("the archive is not complete");
}

/** Returns true if an error tells of wrong bytes, and not of a store or a disk that fails. */
const isDamage = (error: unknown): boolean =>
  error instanceof SealBroken ||
  error instanceof SyntaxError ||
  (error instanceof Error && "code" in error && String(error.code).startsWith("Z_"));

async function writeFiles(reader: ByteReader, directory: string): Promise<void> {
  for (let header = await readHeader(reader); header; header = await readHeader(reader)) {
    const path = join(directory, header.path);
    if (relative(directory, path).startsWith("..")) throw new ArchiveUnusable("the archive names a file outside of it");
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(path, "wx", 0o600);
    try {
      for await (const chunk of reader.take(header.size)) await file.write(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

async function readHeader(reader: ByteReader): Promise<FileHeader | undefined> {
  const length = await reader.exactly(lengthBytes);
  if (!length) return undefined;
  const size = length.readUInt32BE();
  const header = size <= maxHeaderBytes ? await reader.exactly(size) : undefined;
  if (!header) throw new ArchiveUnusable("the archive is damaged");
  return JSON.parse(header.toString());
}

/** Reads a stream in pieces of chosen sizes. */
class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** Returns this number of bytes; undefined at the end. Throws ArchiveUnusable if fewer are left. */
  async exactly(size: number): Promise<Buffer | undefined> {
    if (size > 0 && this.#rest.length === 0 && !(await this.#more())) return undefined;
    const pieces: Buffer[] = [];
    for await (const piece of this.take(size)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  /** Yields this number of bytes. Throws ArchiveUnusable if fewer are left. */
  async *take(size: number): AsyncGenerator<Buffer> {
    let left = size;
    while (left > 0) {
      if (this.#rest.length === 0 && !(await this.#more())) throw new ArchiveUnusable("the archive is not complete");
      const piece = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  async #more(): Promise<boolean> {
    const { value, done } = await this.#chunks.next();
    if (!done) this.#rest = value;
    return !done;
  }
}
