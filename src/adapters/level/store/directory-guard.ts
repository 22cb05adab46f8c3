import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { anchorFile } from "./identity.ts";

/** Somebody else has the data directory now, or another directory is in its place: nothing may be written to it any more. */
export class DirectoryLost extends Error {
  override readonly name = "DirectoryLost";
}

const ownerFile = "owner.json";
const socketFile = "owner.sock";

/** The files in a data directory that belong to whoever has it, and to no copy of it. */
export const guardFiles: readonly string[] = [ownerFile, socketFile, anchorFile];

/** What an owner knows its mark by. */
interface Mark {
  readonly id: string;
  readonly inode: bigint;
  readonly mtimeNs: bigint;
  readonly size: bigint;
  /** Nothing but the file system can set it. */
  readonly ctimeNs: bigint;
}

/**
 * Holds a data directory for one process, apart from LevelDB's own lock, which is gone as soon as anything in its process closes
 * the LOCK file (fcntl(2), "Advisory record locking"). It is held by listening on sockets, which the kernel ends with the process,
 * however that ends:
 * - on Linux one in the abstract namespace, named by the directory's device and inode. No path leads around it and nothing can
 *   delete it; it is seen within one network namespace;
 * - one in the directory itself, which other containers on the same kernel see too.
 * What neither sees is a process on another machine. For that, and should both fail, each start leaves a mark in the directory:
 * an owner whose mark is gone writes no more.
 */
export class DirectoryGuard {
  readonly #directory: string;
  readonly #servers: readonly Server[];
  readonly #closeHandle: () => Promise<void>;
  #mark: Mark | undefined;

  private constructor(directory: string, servers: readonly Server[], closeHandle: () => Promise<void>) {
    this.#directory = directory;
    this.#servers = servers;
    this.#closeHandle = closeHandle;
  }

  /** Takes a directory, which is made where there is none. Rejects, naming it, if somebody has it. */
  static async acquire(directory: string): Promise<DirectoryGuard> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const real = await realpath(directory);
    const { dev, ino } = await stat(real, { bigint: true });
    const servers: Server[] = [];
    const handle = process.platform === "linux" ? await open(real) : undefined;
    const closeHandle = async () => handle?.close();
    const inUse = () => new Error(`the data directory ${directory} is in use by another sessiond`);
    try {
      if (process.platform === "linux") servers.push(await listen(`\0sessiond-store-${dev}-${ino}`, inUse));
      // Through the handle a long path fits into a socket's address (unix(7): 108 bytes).
      const path = join(handle ? `/proc/self/fd/${handle.fd}` : real, socketFile);
      const named = process.platform === "win32" ? `\\\\.\\pipe\\sessiond-store-${dev}-${ino}` : path;
      const server = await listenAtPath(named, inUse);
      if (server) servers.push(server);
      return new DirectoryGuard(real, servers, closeHandle);
    } catch (error) {
      await Promise.all(servers.map(close));
      await closeHandle();
      throw error;
    }
  }

  /** Marks the directory as ours; whoever had it before is refused from now on. To be called once nobody else can be writing. */
  async mark(): Promise<void> {
    const id = randomUUID();
    const facts = { id, pid: process.pid, host: hostname(), since: new Date().toISOString() };
    const path = join(this.#directory, ownerFile);
    await writeFile(`${path}.${id}`, `${JSON.stringify(facts)}\n`, { mode: 0o600, flush: true });
    await rename(`${path}.${id}`, path);
    this.#mark = await this.#markAs(id);
  }

  /** Rejects with DirectoryLost once the mark is not ours any more. Called before each write. */
  async verify(): Promise<void> {
    const mark = this.#mark;
    const found = mark && (await this.#markAs(mark.id));
    if (found && isUntouched(found, mark)) return;
    if (found && (await this.#isRenumbered(found, mark))) {
      this.#mark = found;
      return;
    }
    throw new DirectoryLost(`the data directory ${this.#directory} was taken by another process, or replaced`);
  }

  /** Lets the directory go. Idempotent. */
  async release(): Promise<void> {
    const listening = this.#servers.filter((server) => server.listening);
    if (listening.length === 0) return;
    await Promise.all(listening.map(close));
    await this.#closeHandle();
  }

  /** The mark that is there, taken for the one with this id; undefined if there is none. */
  async #markAs(id: string): Promise<Mark | undefined> {
    const facts = await unlessMissing(stat(join(this.#directory, ownerFile), { bigint: true }));
    return facts && { id, inode: facts.ino, mtimeNs: facts.mtimeNs, size: facts.size, ctimeNs: facts.ctimeNs };
  }

  /** It is our file, which a virtual mount has given another number. A copy has our text, but a later time of change. */
  async #isRenumbered(found: Mark, mark: Mark): Promise<boolean> {
    if (found.ctimeNs !== mark.ctimeNs) return false;
    const text = await unlessMissing(readFile(join(this.#directory, ownerFile), "utf8"));
    return text?.includes(mark.id) === true;
  }
}

const isUntouched = (found: Mark, mark: Mark) =>
  found.inode === mark.inode && found.mtimeNs === mark.mtimeNs && found.size === mark.size;

const unlessMissing = <T>(reading: Promise<T>): Promise<T | undefined> =>
  reading.catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });

async function listenAtPath(path: string, inUse: () => Error): Promise<Server | undefined> {
  try {
    return await listen(path, inUse);
  } catch (error) {
    if (await isAnswered(path)) throw error;
  }
  try {
    // Its owner is dead, or it came with a copy.
    await rm(path, { force: true });
    return await listen(path, inUse);
  } catch (error) {
    if (process.platform !== "linux" || (await isAnswered(path))) throw error;
    // Not every file system has sockets; the abstract one stands.
    return undefined;
  }
}

function listen(path: string, inUse: () => Error): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  const server = createServer((socket) => socket.destroy());
  server.once("error", (error: NodeJS.ErrnoException) => reject(error.code === "EADDRINUSE" ? inUse() : error));
  server.listen({ path }, () => {
    // It alone keeps no process alive.
    resolve(server.unref());
  });
  return promise;
}

function isAnswered(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ path });
  socket.once("connect", () => resolve(true));
  socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "EAGAIN"));
  return promise.finally(() => socket.destroy());
}

const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
