import type { StoreMove } from "../../../ports/transfer.ts";
import { moveRefusal } from "../../embedded/move-refusal.ts";
import type { Operation } from "./database.ts";
import { currentFormat, formatKey } from "./format.ts";
import { keyOf, numberBytes } from "./key.ts";

/** Key of the note about a move. */
export const moveKey = keyOf("meta", "move");

/** Format of stores with a note, which programs refuse that know no notes. */
const movingFormat = 1n << 32n;

/** Returns the note of a stored value. */
export function moveOf(value: Uint8Array | undefined): StoreMove | undefined {
  return value && JSON.parse(Buffer.from(value).toString());
}

/** Throws if a store with this note must not be opened. */
export function refuseMove(value: Uint8Array | undefined): void {
  const move = moveOf(value);
  if (move) throw new Error(moveRefusal(move));
}

/** Returns the operations that note a move. */
export const moveAdditions = (move: StoreMove): Operation[] => [
  { type: "put", key: moveKey, value: Buffer.from(JSON.stringify(move)) },
  { type: "put", key: formatKey, value: numberBytes(movingFormat) },
];

/** The operations that end a move into a store. */
export const moveRemovals: readonly Operation[] = [
  { type: "del", key: moveKey },
  { type: "put", key: formatKey, value: numberBytes(currentFormat) },
];
