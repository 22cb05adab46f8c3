import type { PendingUnlink } from "../../gen/sessiond/store/v1/store_pb.js";

/**
 * Logins that sessions have left behind, to be unlinked at WhatsApp. They come from `Commit.setAside`. Their engine data belongs to their
 * id: `acquire(id)` gives the lease for it.
 */
export interface PendingUnlinks {
  /** All of them, the oldest first. */
  list(): Promise<PendingUnlink[]>;
  /** Writes one that is there; does nothing if it is finished. */
  save(pending: PendingUnlink): Promise<void>;
  /** Removes one with its engine data and ends all handles on that. Idempotent. */
  finish(id: string): Promise<void>;
}
