import type { Sealer } from "../../../ports/sealer.ts";
import type { Clock, Logger } from "../../../ports/system.ts";
import { GroupWriter } from "../../embedded/group-writer.ts";
import { recordClock } from "./clock-mark.ts";
import type { Operation } from "./database.ts";
import { Generation } from "./generation.ts";
import type { OpenStore } from "./opening.ts";
import { Recovery } from "./recovery.ts";
import { resealAll } from "./resealing.ts";
import type { StoreWriter } from "./store-writer.ts";

/** Options for a store's writer. */
export interface WriterOptions {
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
  readonly sealer?: Sealer | undefined;
  /** As in GroupTarget. */
  complete(operations: Operation[]): void;
  /** As in GroupTarget. */
  written(): void;
  /** As in RecoveryOptions. */
  restored(): Promise<void>;
}

/** A store's writer with its background work. */
export interface DurableWriter {
  readonly writer: StoreWriter;
  /** Resolves when every value is sealed with the present key, or the store is closed. Never rejects. */
  readonly resealed: Promise<void>;
  /** Finishes accepted writes, then closes the store and unlocks its directory. */
  close(): Promise<void>;
}

/**
 * Creates the writer of an open store and starts resealing if it is due. Each group records the generation and the clock, is written
 * only while the directory lock holds, and is retried after recovery.
 */
export function createDurableWriter(store: OpenStore, options: WriterOptions): DurableWriter {
  const { database, lock } = store;
  const { clock, logger, sealer } = options;
  clock.continueFrom(store.lastWrittenMs ?? 0);
  const generation = new Generation(store.generation);
  const verify = () => lock.verify();
  const restored = () => options.restored();
  const recovery = new Recovery({ database, generation, clock, logger, verify, restored });
  const writer: StoreWriter = new GroupWriter({
    async batch(operations, { sync }) {
      await verify();
      await database.batch(operations, { sync });
      generation.written(sync);
    },
    complete(operations) {
      options.complete(operations);
      operations.push(recordClock(clock.nowMs()), generation.advance(operations));
    },
    written: () => options.written(),
    recover: (operations, cause) => recovery.recover(operations, cause),
  });
  const closing = new AbortController();
  const reseal = async (present: Sealer) => {
    try {
      const sealed = await resealAll(database, writer, present, closing.signal);
      if (!closing.signal.aborted) logger?.info({ sealed, keyId: present.keyId }, "store resealed");
    } catch (error) {
      if (!closing.signal.aborted) logger?.error({ err: error }, "store resealing failed");
    }
  };
  const resealed = sealer && store.hasOutdatedSeals ? reseal(sealer) : Promise.resolve();
  return {
    writer,
    resealed,
    async close() {
      closing.abort();
      recovery.close();
      await writer.close();
      await resealed;
      await database.close();
      await lock.release();
    },
  };
}
