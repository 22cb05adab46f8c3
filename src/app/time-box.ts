import type { Clock } from "../ports/system.ts";

/**
 * Waits for `promise` until a time limit. Resolves with its value, or with undefined on rejection or timeout; never
 * rejects. Once `hurry.wanted` resolves, the limit is `hurry.limitMs` from then on.
 */
export async function awaitWithin<T>(
  clock: Clock,
  limitMs: number,
  promise: Promise<T>,
  hurry?: { readonly wanted: Promise<void>; readonly limitMs: number },
): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const lateAfter = (ms: number) => clock.schedule(ms, () => late.resolve(undefined));
  let cancel = lateAfter(limitMs);
  let isWaiting = true;
  hurry?.wanted.then(() => {
    if (!isWaiting) return;
    const before = cancel;
    const cancelHurried = lateAfter(hurry.limitMs);
    cancel = () => {
      before();
      cancelHurried();
    };
  });
  try {
    return await Promise.race([promise, late.promise]);
  } catch {
    return undefined;
  } finally {
    isWaiting = false;
    cancel();
  }
}
