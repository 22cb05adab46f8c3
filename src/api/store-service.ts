import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { StoreService } from "../../gen/sessiond/v1/store_service_pb.js";
import type { Clock } from "../app/shown-time.ts";
import { SessionError } from "../domain/errors.ts";

/** A completed backup. */
export interface BackupFacts {
  readonly directory: string;
  readonly entries: number;
  readonly bytes: number;
  readonly generation: { readonly writes: bigint; readonly ratchets: bigint };
}

/** Dependencies of StoreService. */
export interface StoreServiceOptions {
  /** Writes a backup to a directory named after this Unix time, ms. */
  backUp(wallMs: number): Promise<BackupFacts>;
  readonly clock: Clock;
}

/** Creates StoreService for a store that supports backups. */
export function createStoreService({ backUp, clock }: StoreServiceOptions): ServiceImpl<typeof StoreService> {
  let isRunning = false;
  return {
    async backup() {
      if (isRunning) throw new SessionError("BACKUP_RUNNING", "A backup is being written");
      isRunning = true;
      try {
        const wallMs = clock.wallMs();
        const { directory, entries, bytes, generation } = await backUp(wallMs);
        return {
          path: directory,
          createdAt: timestampFromMs(wallMs),
          entries: BigInt(entries),
          bytes: BigInt(bytes),
          generation: generation.writes,
          ratchets: generation.ratchets,
        };
      } finally {
        isRunning = false;
      }
    },
  };
}
