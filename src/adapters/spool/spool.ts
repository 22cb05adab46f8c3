import { hash, randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { FileUnavailable, type Spool, type SpooledFile } from "../../ports/media.ts";
import { chunkBytes, keyBytes, openChunk, sealChunk, sealedChunkBytes } from "./chunk-cipher.ts";

const idBytes = 16;
const idForm = /^[0-9a-f]{32}$/;
/** A directory of its own for each session. Names of sessions never become part of a path. */
const folderOf = (session: string): string => hash("sha256", session, "hex").slice(0, 32);

/** Creates a spool in a directory, which is made for the first file. Memory for a file: some chunks of 64 KiB. */
export function createSpool(directory: string): Spool {
  /** Files that this process has written. */
  const own = new Set<string>();
  const pathOf = (session: string, id: string): string => {
    if (!idForm.test(id)) throw new FileUnavailable("is not in the spool");
    return join(directory, folderOf(session), id);
  };
  return {
    async add(session, content) {
      const id = randomBytes(idBytes).toString("hex");
      const key = randomBytes(keyBytes);
      const path = pathOf(session, id);
      await mkdir(join(directory, folderOf(session)), { recursive: true, mode: 0o700 });
      own.add(id);
      try {
        return { id, key, size: await write(path, key, content) };
      } catch (error) {
        await rm(path, { force: true });
        own.delete(id);
        throw error;
      }
    },
    read: (session, file) => readAll(pathOf(session, file.id), file),
    async remove(session, id) {
      own.delete(id);
      await rm(pathOf(session, id), { force: true });
    },
    async retain(session, ids) {
      const left = await namesIn(join(directory, folderOf(session)));
      const unused = left.filter((id) => !ids.includes(id) && !own.has(id) && idForm.test(id));
      await Promise.all(unused.map((id) => rm(pathOf(session, id), { force: true })));
    },
    async retainSessions(sessions) {
      const known = new Set(sessions.map(folderOf));
      const unused = (await namesIn(directory)).filter((folder) => idForm.test(folder) && !known.has(folder));
      await Promise.all(unused.map((folder) => rm(join(directory, folder), { recursive: true, force: true })));
    },
  };
}

const namesIn = (directory: string): Promise<string[]> => readdir(directory).catch(() => []);

/** Writes the sealed chunks of a file and syncs it; returns the size of its content. */
async function write(path: string, key: Uint8Array, content: AsyncIterable<Uint8Array>): Promise<number> {
  const file = await open(path, "wx", 0o600);
  try {
    let place = 0;
    let size = 0;
    let waiting = Buffer.alloc(0);
    for await (const bytes of content) {
      size += bytes.length;
      waiting = Buffer.concat([waiting, bytes]);
      // The last chunk has a mark, so a full one waits until it is known if more follows.
      for (; waiting.length > chunkBytes; place += 1) {
        await file.writeFile(sealChunk(key, place, false, waiting.subarray(0, chunkBytes)));
        waiting = waiting.subarray(chunkBytes);
      }
    }
    await file.writeFile(sealChunk(key, place, true, waiting));
    await file.datasync();
    return size;
  } finally {
    await file.close();
  }
}

async function* readAll(path: string, { key, size }: SpooledFile): AsyncGenerator<Uint8Array> {
  const file = await open(path).catch(() => {
    throw new FileUnavailable("is not in the spool");
  });
  try {
    const chunks = Math.max(1, Math.ceil(size / chunkBytes));
    for (let place = 0; place < chunks; place += 1) {
      const isLast = place === chunks - 1;
      const content = openOrRefuse(key, place, isLast, await readChunk(file, place));
      if (content.length > 0) yield content;
    }
  } finally {
    await file.close();
  }
}

async function readChunk(file: FileHandle, place: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(sealedChunkBytes);
  const { bytesRead } = await file.read(buffer, 0, sealedChunkBytes, place * sealedChunkBytes);
  return buffer.subarray(0, bytesRead);
}

function openOrRefuse(key: Uint8Array, place: number, isLast: boolean, sealed: Buffer): Buffer {
  try {
    return openChunk(key, place, isLast, sealed);
  } catch (cause) {
    throw new FileUnavailable("was changed in the spool", { cause });
  }
}
