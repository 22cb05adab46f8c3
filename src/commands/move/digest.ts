import { createHash } from "node:crypto";
import type { StoreEntry } from "../../ports/transfer.ts";

const bits = 256;

/** Count and digest of entries, in whichever order they are added. Stores with equal ones have the same entries. */
export class EntryDigest {
  #count = 0;
  #sum = 0n;

  get count(): number {
    return this.#count;
  }

  /** The digest, as hexadecimal. */
  get hex(): string {
    return this.#sum.toString(16).padStart(bits / 4, "0");
  }

  /** Adds entries. */
  add(entries: readonly StoreEntry[]): void {
    this.#count += entries.length;
    for (const entry of entries) this.#sum = BigInt.asUintN(bits, this.#sum + hashOf(entry));
  }
}

function hashOf({ names, number, value }: StoreEntry): bigint {
  const key = JSON.stringify([...names, String(number)]);
  return BigInt(`0x${createHash("sha256").update(key).update("\n").update(value).digest("hex")}`);
}
