import type { Placement } from "../ports/cluster.ts";
import type { Clock, Logger } from "../ports/system.ts";
import type { SessionRunner } from "./session-runner.ts";
import { awaitWithin } from "./time-box.ts";

/** Nodes connect 20 sessions a second, so a session that is handed over does not wait long for its turn there. */
export const handOverIntervalMs = 50;
/** Time limit of one hand-over. A session whose store does not answer is claimed by the other nodes later. */
export const handOverLimitMs = 10_000;

/** Dependencies of handing over. */
export interface HandOverOptions {
  readonly placement: Pick<Placement, "handOver">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Gives sessions to the other nodes, one after the other, at 20 a second. Returns the number of those given away. Never rejects. */
export async function handOverAll(
  runners: readonly Promise<SessionRunner>[],
  { placement, clock, logger }: HandOverOptions,
): Promise<number> {
  const startedAtMs = clock.nowMs();
  const handOver = async (loading: Promise<SessionRunner>) => (await loading).handOver(placement);
  const results = runners.map(async (loading, i) => {
    await sleepUntil(clock, startedAtMs + i * handOverIntervalMs);
    const work = handOver(loading).catch((error: unknown) => {
      logger.warn({ err: error }, "a session could not be handed over; another node claims it later");
      return false;
    });
    return (await awaitWithin(clock, handOverLimitMs, work)) ?? false;
  });
  return (await Promise.all(results)).filter(Boolean).length;
}

function sleepUntil(clock: Clock, atMs: number): Promise<void> | undefined {
  const delayMs = atMs - clock.nowMs();
  return delayMs > 0 ? new Promise<void>((resolve) => clock.schedule(delayMs, resolve)) : undefined;
}
