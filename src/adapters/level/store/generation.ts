import type { Operation } from "./database.ts";
import { isOf, keyOf, numberBytes, numberOf } from "./key.ts";

/** How far a store has come: what was written under a later one is not in it. */
export interface GenerationCount {
  /** Groups written. */
  readonly writes: bigint;
  /** Those among them that changed credentials, ratchets included. */
  readonly ratchets: bigint;
}

export const generationKey = keyOf("meta", "generation");

/** A store's generation as its value on disk. */
export const generationBytes = ({ writes, ratchets }: GenerationCount): Uint8Array =>
  Buffer.concat([numberBytes(writes), numberBytes(ratchets)]);

/** The generation in such a value; a store without one has written nothing. */
export const generationOf = (value: Uint8Array | undefined): GenerationCount =>
  value ? { writes: numberOf(value), ratchets: numberOf(value.subarray(8)) } : { writes: 0n, ratchets: 0n };

/** Counts the groups that are written, in the groups themselves. */
export class Generation {
  #written: GenerationCount;
  #next: GenerationCount;
  #synced: GenerationCount;

  constructor(opened: GenerationCount) {
    this.#written = this.#next = this.#synced = opened;
  }

  /** The last one that was on disk, whatever has happened to the disk since. */
  get synced(): GenerationCount {
    return this.#synced;
  }

  /** What the next group records of itself. */
  addition(group: readonly Operation[]): Operation {
    const turned = group.some(({ key }) => isOf("credentials", key));
    this.#next = { writes: this.#written.writes + 1n, ratchets: this.#written.ratchets + (turned ? 1n : 0n) };
    return { type: "put", key: generationKey, value: generationBytes(this.#next) };
  }

  /** That group is written. */
  written(sync: boolean): void {
    this.#written = this.#next;
    if (sync) this.#synced = this.#written;
  }
}
