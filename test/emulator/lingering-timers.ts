/** Lets a test process end although Baileys leaves timers behind. */

const longMs = 10_000;

/**
 * Makes timers of 10 s and more keep no process alive; call it once, at the top of a test file. Baileys leaves an
 * unreachable timer of 30 s after each upload of prekeys and one of 60 s after each query that was unanswered at the
 * close.
 */
export function ignoreLingeringTimers(): void {
  const { setTimeout } = globalThis;
  const start = (...args: Parameters<typeof setTimeout>): NodeJS.Timeout => {
    const timer = setTimeout(...args);
    return (args[1] ?? 0) < longMs ? timer : timer.unref();
  };
  globalThis.setTimeout = Object.assign(start, setTimeout);
}
