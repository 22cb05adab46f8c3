import type { Lease } from "./sessions.ts";

/** The archive of one session's files, between two nodes that run it. A handle belongs to one lease. */
export interface FileArchive {
  /**
   * Stores an archive in place of the session's earlier ones. Resolves with its key once all of it is stored; after a failure, what was
   * stored has no key.
   */
  write(bytes: AsyncIterable<Uint8Array>): Promise<string>;
  /** Yields the bytes of an archive in order; none if there is none with this key. Its reader checks that it is whole. */
  read(key: string): AsyncIterable<Uint8Array>;
  /** Removes the session's archives, up to those of this lease. Idempotent. */
  remove(): Promise<void>;
}

/** Files that engines have outside of EngineData, on their way to another node. */
export interface Profiles {
  /** Returns a handle on the session's archive. */
  archive(lease: Lease): FileArchive;
}
