/** Rules for the delays between connection attempts. */
export interface RetryPolicy {
  readonly maxDelayMs: number;
  /** Share by which a delay varies, in both directions. */
  readonly jitterShare: number;
  /** Random number in [0, 1), drawn anew for each decision. */
  readonly jitter: number;
}

/** Returns the delay after `attempt` (from 1) failed attempts: Fibonacci seconds, limited, with jitter. */
export function reconnectDelayMs(attempt: number, policy: RetryPolicy): number {
  const spread = 1 + policy.jitterShare * (2 * policy.jitter - 1);
  return Math.round(Math.min(fibonacci(attempt) * 1000, policy.maxDelayMs) * spread);
}

/** Returns the n-th Fibonacci number: 1, 1, 2, 3, 5, … from n = 1. */
function fibonacci(n: number): number {
  let [current, next] = [1, 1];
  // Each limit in use is reached within 30 steps, so larger counters cost no time.
  for (let i = 1; i < Math.min(n, 30); i++) [current, next] = [next, current + next];
  return current;
}
