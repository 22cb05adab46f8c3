/** Lets a test process end although Baileys leaves timers behind. */

const LONG_MS = 10_000;

/**
 * From here on, timers of 10 s and more keep no process alive. Baileys leaves one of 30 s behind each upload of
 * prekeys and one of 60 s behind each query that was unanswered at the close, and neither can be reached to be cleared.
 * For test files; call it once, at the top.
 */
export function ignoreLingeringTimers(): void {
  const { setTimeout } = globalThis;
  const start = (...args: Parameters<typeof setTimeout>): NodeJS.Timeout => {
    const timer = setTimeout(...args);
    return (args[1] ?? 0) < LONG_MS ? timer : timer.unref();
  };
  globalThis.setTimeout = Object.assign(start, setTimeout);
}
