import type { EngineData } from "../../src/ports/engine.ts";
import { LeaseLost } from "../../src/ports/sessions.ts";

/** Engine data in memory that records its writes and can be made to fail. */
export class MemoryEngineData implements EngineData {
  readonly values = new Map<string, Uint8Array>();
  /** All applied writes, in order. */
  readonly writes: ReadonlyMap<string, Uint8Array | null>[] = [];
  /** Error of reads of a key that `keys` matches. */
  failReads: { readonly keys: RegExp; readonly error: Error } | undefined;
  /** Error of all writes. */
  failWrites: Error | undefined;
  #ended = false;

  /** Makes each later call reject, as when the session has a newer handle. */
  end(): void {
    this.#ended = true;
  }

  async read(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    this.#assertHeld();
    const { failReads } = this;
    if (failReads && keys.some((key) => failReads.keys.test(key))) throw failReads.error;
    return keys.map((key) => this.values.get(key));
  }

  async write(changes: ReadonlyMap<string, Uint8Array | null>): Promise<void> {
    this.#assertHeld();
    if (this.failWrites) throw this.failWrites;
    const applied = new Map(changes);
    for (const [key, value] of applied) {
      if (value === null) this.values.delete(key);
      else this.values.set(key, value);
    }
    this.writes.push(applied);
  }

  #assertHeld(): void {
    if (this.#ended) throw new LeaseLost("the handle has ended");
  }
}
