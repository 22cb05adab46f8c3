import type { Credentials } from "../../ports/engine.ts";

/** Keys that Baileys reads several times for each message: Signal sessions and privacy tokens. */
const cached = /^(?:session|tctoken):/;
/** Size of the values that are remembered for all engines together. */
const defaultBytes = 4 * 1_024 * 1_024;
/** Size that an entry counts beside its value, for its key and its place. */
const entryBytes = 200;

/** Values of the keys that engines use for each message, as they are on disk, the oldest first. One memory serves all engines. */
export class RecentKeys {
  readonly #maxBytes: number;
  readonly #values = new Map<string, Uint8Array | undefined>();
  #bytes = 0;
  #logins = 0;

  constructor(maxBytes = defaultBytes) {
    this.#maxBytes = maxBytes;
  }

  /** Returns the same credentials, with a memory. Nothing else may write them while they are in use. */
  of(credentials: Credentials): Credentials {
    this.#logins += 1;
    const prefix = `${this.#logins} `;
    /** Counts the starts and ends of writes: a read beside one can return the former value. */
    let writes = 0;
    return {
      read: async (keys) => {
        const known = keys.map((key) => this.#find(prefix + key));
        const missing = keys.filter((_, i) => known[i] === "unknown");
        if (missing.length === 0) return known.map((value) => (value === "unknown" ? undefined : value));
        const before = writes;
        const read = await credentials.read(missing);
        const found = new Map(missing.map((key, i) => [key, read[i]]));
        for (const [key, value] of found) if (writes === before && cached.test(key)) this.#add(prefix + key, value);
        return keys.map((key, i) => {
          const value = known[i];
          return value === "unknown" ? found.get(key) : value;
        });
      },
      write: async (changes) => {
        const written = [...changes].filter(([key]) => cached.test(key));
        writes += 1;
        for (const [key] of written) this.#remove(prefix + key);
        await credentials.write(changes);
        writes += 1;
        for (const [key, value] of written) this.#add(prefix + key, value ?? undefined);
      },
    };
  }

  #find(key: string): Uint8Array | undefined | "unknown" {
    if (!this.#values.has(key)) return "unknown";
    const value = this.#values.get(key);
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  #add(key: string, value: Uint8Array | undefined): void {
    this.#remove(key);
    this.#values.set(key, value);
    this.#bytes += entryBytes + (value?.length ?? 0);
    for (const oldest of this.#values.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#remove(oldest);
    }
  }

  #remove(key: string): void {
    if (!this.#values.has(key)) return;
    this.#bytes -= entryBytes + (this.#values.get(key)?.length ?? 0);
    this.#values.delete(key);
  }
}
