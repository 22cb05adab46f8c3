import type { Backend } from "../ports/backend.ts";
import type { Retention } from "../ports/outbox.ts";
import type { Clock, Logger } from "../ports/system.ts";
import { AgeClock } from "./age-clock.ts";

/** What keeping to a retention needs. */
export interface RetentionOptions {
  readonly backend: Pick<Backend, "trim">;
  readonly retention: Retention;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "debug" | "error">;
  /** How far the clock had come when the store was last written before; left out for a new store. */
  readonly lastWrittenMs?: number | undefined;
}

/** The pause after each round. */
const pauseMs = 15_000;

/** Trims what is kept of the past, round by round, until `signal`; resolves when the last round is through. Never rejects. */
export async function keepRetention(
  { backend, retention, clock, logger, lastWrittenMs }: RetentionOptions,
  signal: AbortSignal,
) {
  const ages = new AgeClock(clock, lastWrittenMs);
  while (!signal.aborted) {
    try {
      const removed = await backend.trim(retention, ages.nowMs(), signal);
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
