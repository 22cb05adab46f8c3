import { mkdir } from "node:fs/promises";
import { Level } from "level";
import { StoreUnavailable } from "../../../domain/errors.ts";
import type { Sealer } from "../../../ports/sealer.ts";
import { GroupReader } from "./group-reader.ts";
import { isSecret } from "./key.ts";

/** Step of an atomic write. */
export type Operation = { type: "put"; key: Uint8Array; value: Uint8Array } | { type: "del"; key: Uint8Array };

/** Range of keys to read, with its order and limit. */
export interface Range {
  readonly gt?: Uint8Array;
  readonly gte?: Uint8Array;
  readonly lt?: Uint8Array;
  readonly lte?: Uint8Array;
  readonly reverse?: boolean;
  readonly limit?: number;
  readonly snapshot?: DatabaseSnapshot;
}

/** The library's LevelDB. Its values are as stored: sealed or not. */
export type RawDatabase = Level<Uint8Array, Uint8Array>;

/** The database's state at one moment. */
export type DatabaseSnapshot = ReturnType<RawDatabase["snapshot"]>;

const mebibyte = 1_048_576;
/** Size at which LevelDB moves its log into a table. Opening the database again may write as much at once. */
export const writeBufferBytes = 4 * mebibyte;

/** LevelDB that seals values when it writes them and opens them when it reads them, given a sealer. Reads wait while it reopens. */
export class Database {
  readonly directory: string;
  readonly #sealer: Sealer | undefined;
  #level: RawDatabase;
  readonly #levelsBySnapshot = new WeakMap<DatabaseSnapshot, RawDatabase>();
  readonly #grouped = new GroupReader((keys) => this.getManyRaw(keys));
  #reads = 0;
  #idle: (() => void) | undefined;
  /** Set while the database reopens. */
  #opening: Promise<unknown> | undefined;
  #failure: unknown;

  private constructor(directory: string, level: RawDatabase, sealer: Sealer | undefined) {
    this.directory = directory;
    this.#level = level;
    this.#sealer = sealer;
  }

  /** Opens the database in a directory, which it creates if missing. Rejects with a message that names the directory. */
  static async open(directory: string, sealer?: Sealer): Promise<Database> {
    return new Database(directory, await openRaw(directory), sealer);
  }

  /** Returns a value; undefined if there is none. */
  async get(key: Uint8Array, options: { snapshot?: DatabaseSnapshot } = {}): Promise<Uint8Array | undefined> {
    const stored: Uint8Array | undefined = await this.#read((level) =>
      level.get(key, this.#snapshotFor(level, options)),
    );
    return stored && this.#opened(key, stored);
  }

  /** Returns the values of some keys in their order. */
  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const stored = await this.#grouped.read(keys);
    return stored.map((value, index) => value && this.#opened(keys[index] ?? value, value));
  }

  /** Reads the keys of a range: all, one by one, or with a cursor. */
  keys(range: Range) {
    const open = () => this.#level.keys(this.#optionsFor(this.#level, range));
    return {
      all: () => this.#read((level) => level.keys(this.#optionsFor(level, range)).all()),
      [Symbol.asyncIterator]: () => open()[Symbol.asyncIterator](),
      /** Returns an iterator that can seek. The caller must close it. */
      cursor: open,
    };
  }

  /** Reads the values of a range. */
  values(range: Range) {
    return { all: async () => (await this.entries(range)).map(([, value]) => value) };
  }

  /** Yields the entries of a range one by one. */
  async *iterator(range: Range): AsyncGenerator<[Uint8Array, Uint8Array]> {
    for await (const [key, value] of this.#level.iterator(this.#optionsFor(this.#level, range))) {
      yield [key, this.#opened(key, value)];
    }
  }

  /** Returns all entries of a range. */
  async entries(range: Range): Promise<[Uint8Array, Uint8Array][]> {
    const entries = await this.entriesRaw(range);
    return entries.map(([key, value]) => [key, this.#opened(key, value)]);
  }

  /** Takes a snapshot. The caller must close it. */
  snapshot(): DatabaseSnapshot {
    const snapshot = this.#level.snapshot();
    this.#levelsBySnapshot.set(snapshot, this.#level);
    return snapshot;
  }

  /** Returns true if a snapshot belongs to this opening of the database. */
  isReadable(snapshot: DatabaseSnapshot): boolean {
    return this.#levelsBySnapshot.get(snapshot) === this.#level;
  }

  /** Writes all operations or none. If `sync`, they are on disk when it resolves. */
  batch(operations: readonly Operation[], options: { sync: boolean }): Promise<void> {
    return this.batchRaw(
      operations.map((operation) => this.#sealed(operation)),
      options,
    );
  }

  /** Returns all entries of a range with their values as stored. */
  entriesRaw(range: Range): Promise<[Uint8Array, Uint8Array][]> {
    return this.#read((level) => level.iterator(this.#optionsFor(level, range)).all());
  }

  /** Yields all entries of the present moment as stored, at most `size` at a time. */
  async *pagesRaw(size: number): AsyncGenerator<[Uint8Array, Uint8Array][]> {
    // An iterator reads from a snapshot. Pages bound the values held in memory.
    const iterator = this.#level.iterator({ fillCache: false });
    try {
      for (let page = await iterator.nextv(size); page.length > 0; page = await iterator.nextv(size)) yield page;
    } finally {
      await iterator.close();
    }
  }

  /** Returns values as stored. */
  getManyRaw(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#read((level): Promise<(Uint8Array | undefined)[]> => level.getMany([...keys]));
  }

  /** Writes values as given, without sealing them. */
  batchRaw(operations: readonly Operation[], options: { sync: boolean }): Promise<void> {
    return this.#level.batch([...operations], options);
  }

  /** Rewrites all tables, so that overwritten and removed values are gone from the disk. */
  async compact(): Promise<void> {
    const level: object = this.#level;
    if (canCompact(level)) await level.compactRange(Buffer.of(0), Buffer.of(0xff), { keyEncoding: "view" });
  }

  /**
   * Closes the database, opens it again and runs `prepare` before any other access. After a failure the database stays closed and
   * reads reject with StoreUnavailable until another call succeeds.
   */
  async reopen(prepare: (level: RawDatabase) => Promise<void>): Promise<void> {
    const opening = this.#reopen(prepare);
    this.#opening = opening.catch(() => {});
    try {
      await opening;
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error;
      throw error;
    } finally {
      this.#opening = undefined;
    }
  }

  /** Closes the database, after a reopening in progress. */
  async close(): Promise<void> {
    await this.#opening;
    await this.#level.close();
  }

  async #reopen(prepare: (level: RawDatabase) => Promise<void>): Promise<void> {
    if (this.#reads > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.#level.close();
    const level = await openRaw(this.directory);
    try {
      await prepare(level);
    } catch (error) {
      await level.close();
      throw error;
    }
    this.#level = level;
  }

  async #read<T>(read: (level: RawDatabase) => Promise<T>): Promise<T> {
    if (this.#opening) await this.#opening;
    if (this.#failure !== undefined) throw new StoreUnavailable(this.#failure);
    this.#reads += 1;
    try {
      return await read(this.#level);
    } finally {
      this.#reads -= 1;
      if (this.#reads === 0) this.#idle?.();
    }
  }

  /** Returns a snapshot if it belongs to this opening of the database. Older ones are dropped, and reads then see the present state. */
  #snapshotFor(level: RawDatabase, { snapshot }: { snapshot?: DatabaseSnapshot }): { snapshot?: DatabaseSnapshot } {
    return snapshot && this.#levelsBySnapshot.get(snapshot) === level ? { snapshot } : {};
  }

  #optionsFor(level: RawDatabase, { snapshot, ...range }: Range) {
    return { ...range, ...(snapshot && this.#snapshotFor(level, { snapshot })) };
  }

  #sealed(operation: Operation): Operation {
    if (!this.#sealer || operation.type === "del" || !isSecret(operation)) return operation;
    return { ...operation, value: this.#sealer.seal(operation.value, operation.key) };
  }

  #opened(key: Uint8Array, stored: Uint8Array): Uint8Array {
    return this.#sealer && isSecret({ key, value: stored }) ? this.#sealer.open(stored, key) : stored;
  }
}

/** Opens the LevelDB in a directory, without sealing. Rejects with a message that names the directory. */
export async function openRaw(directory: string): Promise<RawDatabase> {
  // Only the owner may read it, since it holds credentials.
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const level: RawDatabase = new Level(directory, {
    keyEncoding: "view",
    valueEncoding: "view",
    writeBufferSize: writeBufferBytes,
    cacheSize: 2 * mebibyte,
    // Open tables are mapped into memory: at most 64 of 1 MiB.
    maxOpenFiles: 64,
    maxFileSize: mebibyte,
  });
  try {
    await level.open();
  } catch (cause) {
    throw new Error(refusal(directory, codeOf(cause)), { cause });
  }
  return level;
}

function refusal(directory: string, code: string | undefined): string {
  if (code === "LEVEL_LOCKED") return `the data directory ${directory} is in use by another sessiond`;
  if (code === "LEVEL_CORRUPTION") return `the store in the data directory ${directory} is damaged`;
  return `the store in the data directory ${directory} cannot be opened`;
}

/** Returns the code of the innermost error, since level wraps the errors of its binding. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const inner = codeOf(error.cause);
  if (inner !== undefined) return inner;
  return "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Method that level's types omit, since browsers lack it. */
interface Compactable {
  compactRange(start: Uint8Array, end: Uint8Array, options: { keyEncoding: "view" }): Promise<void>;
}

const canCompact = (level: object): level is Compactable => "compactRange" in level;
