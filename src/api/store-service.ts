import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { StoreService } from "../../gen/sessiond/v1/store_service_pb.js";
import type { Clock } from "../app/shown-time.ts";
import { SessionError } from "../domain/errors.ts";

/** A backup as its maker reports it. */
export interface BackupFacts {
  readonly directory: string;
  readonly entries: number;
  readonly bytes: number;
  readonly generation: { readonly writes: bigint; readonly ratchets: bigint };
}

/** What looking after the store needs. */
export interface StoreServiceOptions {
  /** Writes a backup to a directory named after that Unix time (ms). */
  backUp(wallMs: number): Promise<BackupFacts>;
  readonly clock: Clock;
}

/** StoreService over a store that can be backed up. */
export function createStoreService({ backUp, clock }: StoreServiceOptions): ServiceImpl<typeof StoreService> {
  let running = false;
  return {
    async backup() {
      if (running) throw new SessionError("BACKUP_RUNNING", "A backup is being written");
      running = true;
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
        running = false;
      }
    },
  };
}
