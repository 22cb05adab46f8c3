import type { StoreMove } from "../../ports/transfer.ts";

/** Returns the reason why a server does not open a store with this note, and what to do, as the rest of a sentence. */
export function moveRefusal({ state, other, command }: StoreMove): string {
  return state === "moved"
    ? `it was moved to ${other.place}, where it goes on: start sessiond with that store. To move it back, run: ${command}`
    : `a move into it from ${other.place} was not finished. To finish it, run: ${command}`;
}
