import type { Sealer } from "../../../ports/sealer.ts";
import type { Clock, Logger } from "../../../ports/system.ts";
import { clockAddition } from "./clock-mark.ts";
import type { Operation } from "./database.ts";
import { Generation } from "./generation.ts";
import { GroupWriter } from "./group-writer.ts";
import type { OpenStore } from "./opening.ts";
import { Recovery } from "./recovery.ts";
import { resealAll } from "./resealing.ts";

/** What a backend adds to the writing of its store. */
export interface WriterOptions {
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
  readonly sealer?: Sealer | undefined;
  /** As in GroupTarget. */
  seal(operations: Operation[]): void;
  /** As in GroupTarget. */
  written(): void;
  /** As in RecoveryOptions. */
  restored(): Promise<void>;
}

/** A store's writer, and what goes on beside it as long as the store is open. */
export interface DurableWriter {
  readonly writer: GroupWriter;
  /** Resolves when all that is stored is sealed with the present key, or the store is closed. Never rejects. */
  readonly resealed: Promise<void>;
  /** Finishes what was accepted, then closes the store and lets its directory go. */
  close(): Promise<void>;
}

/** The writer of a store: each group counts itself and records the clock, is written only as long as the directory is ours, and is recovered from if it fails. */
export function durableWriter(store: OpenStore, options: WriterOptions): DurableWriter {
  const { database, guard } = store;
  const { clock, logger, sealer } = options;
  clock.continueFrom(store.lastWrittenMs ?? 0);
  const generation = new Generation(store.generation);
  const verify = () => guard.verify();
  const restored = () => options.restored();
  const recovery = new Recovery({ database, generation, clock, logger, verify, restored });
  const writer = new GroupWriter({
    async batch(operations, { sync }) {
      await verify();
      await database.batch(operations, { sync });
      generation.written(sync);
    },
    seal(operations) {
      options.seal(operations);
      operations.push(clockAddition(clock.nowMs()), generation.addition(operations));
    },
    written: () => options.written(),
    recover: (operations, cause) => recovery.recover(operations, cause),
  });
  const closing = new AbortController();
  const reseal = async (present: Sealer) => {
    try {
      const sealed = await resealAll(database, writer, present, closing.signal);
      if (!closing.signal.aborted) logger?.info({ sealed, keyId: present.keyId }, "all that is stored is sealed");
    } catch (error) {
      if (!closing.signal.aborted) logger?.error({ err: error }, "not all that is stored could be sealed");
    }
  };
  const resealed = sealer && store.outdatedSeals ? reseal(sealer) : Promise.resolve();
  return {
    writer,
    resealed,
    async close() {
      closing.abort();
      recovery.close();
      await writer.close();
      await resealed;
      await database.close();
      await guard.release();
    },
  };
}
