import type { EndpointName } from "../embedded/endpoints.ts";

/** A queue with pending deliveries. */
export interface PendingQueue extends EndpointName {
  /** Number of deliveries not attempted yet. */
  readonly firsts: number;
  /** Number of deliveries to be retried. */
  readonly retries: number;
  /** Due time of its first retry on the monotonic clock, ms; Infinity for none. */
  readonly retriesFromMs: number;
}
