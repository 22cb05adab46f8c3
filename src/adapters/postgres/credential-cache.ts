/** The values of one handle: undefined for keys that are known to have none. */
export interface CachedValues {
  /** Returns true if the value of a key is known. */
  has(key: string): boolean;
  get(key: string): Uint8Array | undefined;
  /** Takes in values that are written. */
  written(changes: readonly (readonly [string, Uint8Array | null])[]): void;
  /** Number of writes so far; a read that began before one may be outdated. */
  readonly writes: number;
  /** Takes in a value that was read. */
  fill(key: string, value: Uint8Array | undefined): void;
}

interface Entry {
  readonly values: Map<string, Entry>;
  readonly key: string;
  readonly value: Uint8Array | undefined;
}

/** Keys of about 10,000 chats in use. */
const defaultCapacity = 33_554_432;
/** Approximate size of an entry beside its value. */
const entryBytes = 128;

/** The credentials read or written last, of all handles together. A handle begins with none, and is the only writer of its values. */
export class CredentialCache {
  readonly #capacity: number;
  /** In the order of their last use. */
  readonly #entries = new Set<Entry>();
  #bytes = 0;

  /** `capacity`: size of the values, at most. */
  constructor(capacity = defaultCapacity) {
    this.#capacity = capacity;
  }

  /** Returns the values of a new handle. */
  open(): CachedValues {
    const values = new Map<string, Entry>();
    let writes = 0;
    return {
      has: (key) => values.has(key),
      get: (key) => {
        const entry = values.get(key);
        if (entry) this.#touch(entry);
        return entry?.value;
      },
      written: (changes) => {
        writes += 1;
        for (const [key, value] of changes) this.#put({ values, key, value: value ?? undefined });
      },
      get writes() {
        return writes;
      },
      fill: (key, value) => {
        if (!values.has(key)) this.#put({ values, key, value });
      },
    };
  }

  #put(entry: Entry): void {
    const former = entry.values.get(entry.key);
    if (former) this.#remove(former);
    entry.values.set(entry.key, entry);
    this.#entries.add(entry);
    this.#bytes += bytesOf(entry);
    for (const oldest of this.#entries) {
      if (this.#bytes <= this.#capacity) break;
      this.#remove(oldest);
    }
  }

  #touch(entry: Entry): void {
    this.#entries.delete(entry);
    this.#entries.add(entry);
  }

  #remove(entry: Entry): void {
    if (!this.#entries.delete(entry)) return;
    if (entry.values.get(entry.key) === entry) entry.values.delete(entry.key);
    this.#bytes -= bytesOf(entry);
  }
}

const bytesOf = ({ key, value }: Entry): number => entryBytes + key.length + (value?.byteLength ?? 0);
