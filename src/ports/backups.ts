/** A backup that was written. */
export interface Backup {
  readonly directory: string;
  readonly entries: number;
  readonly bytes: number;
  /** Counters of the store that a restore compares, so that an older state is not restored unnoticed. */
  readonly generation: { readonly writes: bigint; readonly ratchets: bigint };
}

/** Writes copies of the store while it is in use. */
export interface Backups {
  /** Writes a consistent copy to `directory`, which must not exist. Sealed values stay sealed. */
  write(directory: string): Promise<Backup>;
}
