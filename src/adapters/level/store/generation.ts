import type { Operation } from "./database.ts";
import { isOf, keyOf, numberBytes, numberOf } from "./key.ts";

/** Number of writes that a store contains. Of two copies of a store, the one with the lower count is older. */
export interface GenerationCount {
  /** Groups written so far. */
  readonly writes: bigint;
  /** Groups among them that changed credentials, including ratchets. */
  readonly ratchets: bigint;
}

/** Key of the store's generation. */
export const generationKey = keyOf("meta", "generation");

/** Encodes a generation for the disk. */
export const generationBytes = ({ writes, ratchets }: GenerationCount): Uint8Array =>
  Buffer.concat([numberBytes(writes), numberBytes(ratchets)]);

/** Decodes a generation; zero if the store has none. */
export const generationOf = (value: Uint8Array | undefined): GenerationCount =>
  value ? { writes: numberOf(value), ratchets: numberOf(value.subarray(8)) } : { writes: 0n, ratchets: 0n };

/** Counter of written groups, stored with each group. */
export class Generation {
  #written: GenerationCount;
  #next: GenerationCount;
  #synced: GenerationCount;

  constructor(opened: GenerationCount) {
    this.#written = this.#next = this.#synced = opened;
  }

  /** Generation of the last synced write. A disk that holds less has lost writes. */
  get synced(): GenerationCount {
    return this.#synced;
  }

  /** Counts the next group and returns the operation that records it. */
  advance(group: readonly Operation[]): Operation {
    const hasCredentials = group.some(({ key }) => isOf("credentials", key));
    this.#next = { writes: this.#written.writes + 1n, ratchets: this.#written.ratchets + (hasCredentials ? 1n : 0n) };
    return { type: "put", key: generationKey, value: generationBytes(this.#next) };
  }

  /** Records that the group is written. */
  written(sync: boolean): void {
    this.#written = this.#next;
    if (sync) this.#synced = this.#written;
  }
}
