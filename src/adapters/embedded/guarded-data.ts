import type { EngineData } from "../../ports/engine.ts";
import type { Guard } from "./ownership.ts";

/** Where one session's data of one kind lies. */
export interface DataStore {
  read(keys: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  /** Calls `guard` once more at the moment of writing. */
  write(changes: readonly (readonly [string, Uint8Array | null])[], guard: Guard): Promise<void>;
}

/** A handle on it that works as long as `guard` lets it. */
export const guardedData = (guard: Guard, store: DataStore): EngineData => ({
  async read(keys) {
    guard();
    const values = await store.read(keys);
    // A wipe meanwhile would read as "none".
    guard();
    return values;
  },
  async write(changes) {
    guard();
    // The caller may reuse its map and its buffers at once.
    const copies = Array.from(changes, ([key, value]) => [key, value && new Uint8Array(value)] as const);
    await store.write(copies, guard);
  },
});
