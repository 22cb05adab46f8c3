import type { Sealer } from "../../../ports/sealer.ts";

/** Tables with sealed values. */
export type ValueTable =
  | "cluster"
  | "shared_value"
  | "session"
  | "messages"
  | "endpoint"
  | "credential"
  | "chat"
  | "pending_unlink"
  | "profile"
  | "event"
  | "delivery"
  | "settled"
  | "outgoing";

/** Seals values for their places, and opens them, given a sealer. */
export class Values {
  readonly sealer: Sealer | undefined;
  readonly #store: string;

  /** `store`: the store's id, so that no value opens in another store. */
  constructor(sealer: Sealer | undefined, store: string) {
    this.sealer = sealer;
    this.#store = store;
  }

  /** Returns the bytes to store in a row with this key. Empty values stay as they are. */
  seal(value: Uint8Array, table: ValueTable, ...key: readonly (string | bigint)[]): Uint8Array {
    return this.sealer && value.length > 0 ? this.sealer.seal(value, this.#context(table, key)) : value;
  }

  /** Returns the value of a row. Throws SealBroken. */
  open(stored: Uint8Array, table: ValueTable, ...key: readonly (string | bigint)[]): Uint8Array {
    return this.sealer && stored.length > 0 ? this.sealer.open(stored, this.#context(table, key)) : stored;
  }

  #context(table: ValueTable, key: readonly (string | bigint)[]): Uint8Array {
    return Buffer.from(JSON.stringify([this.#store, table, ...key.map(String)]));
  }
}
