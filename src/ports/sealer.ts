/**
 * Seals what is stored, so that it can neither be read nor be put in another's place without the key. A context (the record's
 * key) belongs to each value and is needed again to open it.
 */
export interface Sealer {
  /** Names the key that seals now; tells nothing about it. */
  readonly keyId: string;
  seal(value: Uint8Array, context: Uint8Array): Uint8Array;
  /** The value again; one that was never sealed is returned as it is. Throws SealBroken. */
  open(stored: Uint8Array, context: Uint8Array): Uint8Array;
  /** The key that a stored value is sealed with; undefined for one that is not sealed. */
  keyIdOf(stored: Uint8Array): string | undefined;
}

/** A sealed value cannot be opened: its key is not known, or it is not what was sealed there. */
export class SealBroken extends Error {
  override readonly name = "SealBroken";
}
