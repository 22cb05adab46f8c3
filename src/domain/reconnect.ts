/** How waits between attempts to connect grow. */
export interface RetryPolicy {
  readonly maxDelayMs: number;
  /** Waits are spread by this share, up and down. */
  readonly jitterShare: number;
  /** A fresh number in [0, 1) for each decision. */
  readonly jitter: number;
}

/** The wait before the attempt that follows `attempt` (from 1) failed ones: Fibonacci seconds, bounded, spread. */
export function reconnectDelayMs(attempt: number, policy: RetryPolicy): number {
  const spread = 1 + policy.jitterShare * (2 * policy.jitter - 1);
  return Math.round(Math.min(fibonacci(attempt) * 1000, policy.maxDelayMs) * spread);
}

/** 1, 1, 2, 3, 5, … for n = 1, 2, 3, 4, 5, … */
function fibonacci(n: number): number {
  let [current, next] = [1, 1];
  // Past 30 steps every bound in use is reached; a runaway counter must not cost time.
  for (let i = 1; i < Math.min(n, 30); i++) [current, next] = [next, current + next];
  return current;
}
