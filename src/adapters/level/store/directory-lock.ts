import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { anchorFile } from "./identity.ts";

/** Another process has taken the data directory, or the directory was replaced. Nothing may be written to it any more. */
export class DirectoryLost extends Error {
  override readonly name = "DirectoryLost";
}

const ownerFile = "owner.json";
const socketFile = "owner.sock";

/** Files in a data directory that belong to its owner. Copies of the directory leave them out. */
export const lockFiles: readonly string[] = [ownerFile, socketFile, anchorFile];

/** Identity of the mark file of an owner. */
interface Mark {
  readonly id: string;
  readonly inode: bigint;
  readonly mtimeNs: bigint;
  readonly size: bigint;
  /** Time of the last change. Only the file system can set it. */
  readonly ctimeNs: bigint;
}

/**
 * Lock on a data directory. LevelDB's own lock does not suffice: it is lost when anything in the process closes the LOCK file
 * (fcntl(2), "Advisory record locking"). The lock consists of listening sockets, which the kernel closes with the process:
 * - on Linux, one in the abstract namespace, named by the directory's device and inode. It cannot be deleted or bypassed by another
 *   path, and is visible within one network namespace;
 * - one in the directory itself, which is visible to all containers on the same kernel.
 * Against processes on other machines, each start writes a mark file: an owner whose mark was replaced stops writing.
 */
export class DirectoryLock {
  readonly #directory: string;
  readonly #servers: readonly Server[];
  readonly #closeHandle: () => Promise<void>;
  #mark: Mark | undefined;

  private constructor(directory: string, servers: readonly Server[], closeHandle: () => Promise<void>) {
    this.#directory = directory;
    this.#servers = servers;
    this.#closeHandle = closeHandle;
  }

  /** Locks a directory, which it creates if missing. Rejects with a message that names the directory if it is locked. */
  static async acquire(directory: string): Promise<DirectoryLock> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const real = await realpath(directory);
    const { dev, ino } = await stat(real, { bigint: true });
    const servers: Server[] = [];
    const handle = process.platform === "linux" ? await open(real) : undefined;
    const closeHandle = async () => handle?.close();
    const inUse = () => new Error(`the data directory ${directory} is in use by another sessiond`);
    try {
      if (process.platform === "linux") servers.push(await listen(`\0sessiond-store-${dev}-${ino}`, inUse));
      // The handle's path is short enough for a socket's address, at most 108 bytes (unix(7)).
      const path = join(handle ? `/proc/self/fd/${handle.fd}` : real, socketFile);
      const named = process.platform === "win32" ? `\\\\.\\pipe\\sessiond-store-${dev}-${ino}` : path;
      const server = await listenAtPath(named, inUse);
      if (server) servers.push(server);
      return new DirectoryLock(real, servers, closeHandle);
    } catch (error) {
      await Promise.all(servers.map(close));
      await closeHandle();
      throw error;
    }
  }

  /** Writes the mark, after which a former owner can no longer write. Must be called once, before the first write. */
  async mark(): Promise<void> {
    const id = randomUUID();
    const facts = { id, pid: process.pid, host: hostname(), since: new Date().toISOString() };
    const path = join(this.#directory, ownerFile);
    await writeFile(`${path}.${id}`, `${JSON.stringify(facts)}\n`, { mode: 0o600, flush: true });
    await rename(`${path}.${id}`, path);
    this.#mark = await this.#markAs(id);
  }

  /** Rejects with DirectoryLost if the mark is not ours any more. Called before each write. */
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

  /** Unlocks the directory. Idempotent. */
  async release(): Promise<void> {
    const listening = this.#servers.filter((server) => server.listening);
    if (listening.length === 0) return;
    await Promise.all(listening.map(close));
    await this.#closeHandle();
  }

  /** Returns the present mark file, assumed to have this id; undefined if it is missing. */
  async #markAs(id: string): Promise<Mark | undefined> {
    const facts = await unlessMissing(stat(join(this.#directory, ownerFile), { bigint: true }));
    return facts && { id, inode: facts.ino, mtimeNs: facts.mtimeNs, size: facts.size, ctimeNs: facts.ctimeNs };
  }

  /** Returns whether a mark is our file under a new inode, as virtual mounts assign. A copy has our text, but a later time of change. */
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
    // The socket's owner is dead, or the file came with a copy.
    await rm(path, { force: true });
    return await listen(path, inUse);
  } catch (error) {
    if (process.platform !== "linux" || (await isAnswered(path))) throw error;
    // Some file systems have no sockets. The abstract socket is held.
    return undefined;
  }
}

function listen(path: string, inUse: () => Error): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  const server = createServer((socket) => socket.destroy());
  server.once("error", (error: NodeJS.ErrnoException) => reject(error.code === "EADDRINUSE" ? inUse() : error));
  server.listen({ path }, () => {
    // The lock does not keep the process alive.
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
