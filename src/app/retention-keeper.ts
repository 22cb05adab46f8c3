import type { Clock, Logger } from "../ports/system.ts";
import type { Retention, Upkeep } from "../ports/upkeep.ts";
import { AgeClock } from "./age-clock.ts";

/** Options for trimming by a retention. */
export interface RetentionOptions {
  readonly upkeep: Pick<Upkeep, "trim">;
  readonly retention: Retention;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "debug" | "error">;
  /** Time of the last write before the store was opened; left out for a new store. */
  readonly lastWrittenMs?: number | undefined;
}

/** The pause after each round. */
const pauseMs = 15_000;

/** Trims events and deliveries in rounds until `signal`. Resolves when the last round is done; never rejects. */
export async function keepRetention(
  { upkeep, retention, clock, logger, lastWrittenMs }: RetentionOptions,
  signal: AbortSignal,
) {
  const ages = new AgeClock(clock, lastWrittenMs);
  while (!signal.aborted) {
    try {
      const removed = await upkeep.trim(retention, ages.nowMs(), signal);
      if (removed > 0) logger.debug({ removed }, "trimmed events and deliveries");
    } catch (error) {
      logger.error({ err: error }, "trimming events and deliveries failed");
    }
    await new Promise<void>((resolve) => {
      const cancel = clock.schedule(pauseMs, resolve);
      const end = () => {
        cancel();
        resolve();
      };
      if (signal.aborted) end();
      else signal.addEventListener("abort", end, { once: true });
    });
  }
}
