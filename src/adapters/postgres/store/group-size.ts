import type { Operation } from "./operation.ts";

/** A statement of this size is sent at once, also where packets are slow. */
const maxBytes = 262_144;
const maxOperations = 1_024;

/** Counts the size of the group that is being built. */
export class GroupSize {
  #group: readonly Operation[] | undefined;
  #counted = 0;
  #bytes = 0;

  /** Returns true if a group is large enough to be written. */
  isFull(group: readonly Operation[]): boolean {
    if (this.#group !== group || this.#counted > group.length) {
      this.#group = group;
      this.#counted = 0;
      this.#bytes = 0;
    }
    for (; this.#counted < group.length; this.#counted += 1) this.#bytes += bytesOf(group[this.#counted]);
    return group.length >= maxOperations || this.#bytes >= maxBytes;
  }
}

const bytesOf = (operation: Operation | undefined): number =>
  operation && "value" in operation ? (operation.value?.byteLength ?? 0) : 0;
