import type { Clock } from "../ports/system.ts";

/** The value of `promise`, or undefined if it rejects or takes longer than `limitMs`. Never rejects. */
export async function settledWithin<T>(clock: Clock, limitMs: number, promise: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const cancel = clock.schedule(limitMs, () => late.resolve(undefined));
  try {
    return await Promise.race([promise, late.promise]);
  } catch {
    return undefined;
  } finally {
    cancel();
  }
}
