import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { StoreService } from "../../gen/sessiond/v1/store_service_pb.js";
import { SessionError } from "../domain/errors.ts";
import type { ServerServiceOptions } from "./server-service.ts";

/** A backup as its maker reports it. */
export interface BackupFacts {
  readonly directory: string;
  readonly entries: number;
  readonly bytes: number;
  readonly generation: { readonly writes: bigint; readonly ratchets: bigint };
}

/** What looking after the store needs. */
export interface StoreServiceOptions {
  /** Writes a backup to a directory named after that time. */
  backUp(nowMs: number): Promise<BackupFacts>;
  readonly clock: ServerServiceOptions["clock"];
}

/** StoreService over a store that can be backed up. */
export function createStoreService({ backUp, clock }: StoreServiceOptions): ServiceImpl<typeof StoreService> {
  let running = false;
  return {
    async backup() {
      if (running) throw new SessionError("BACKUP_RUNNING", "A backup is being written");
      running = true;
      try {
        const nowMs = clock.nowMs();
        const { directory, entries, bytes, generation } = await backUp(nowMs);
        return {
          path: directory,
          createdAt: timestampFromMs(nowMs),
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
