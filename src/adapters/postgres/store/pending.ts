import type { EndpointName } from "../../embedded/endpoints.ts";
import type { Connection } from "./connection.ts";
import { fromStoredText } from "./text.ts";

/** A queue with pending deliveries. */
export interface PendingQueue extends EndpointName {
  /** Whether it has deliveries not attempted yet. */
  readonly firsts: boolean;
  /** Due time of its first retry on the monotonic clock, ms; Infinity for none. */
  readonly retriesFromMs: number;
}

/** The pending deliveries of a store. */
export interface Pending {
  readonly queues: readonly PendingQueue[];
  /** Number of deliveries not attempted yet. */
  readonly firsts: number;
  /** Number of deliveries to be retried. */
  readonly retries: number;
}

/** Finds the queues with pending deliveries, one step in the index for each, and counts the deliveries. */
export async function readPending(connection: Connection): Promise<Pending> {
  const rows = await connection.query<{ session: string; endpoint: string; due: bigint | null }>(
    `${firstOfEachQueue("due IS NULL", "session, endpoint, seq")}
    UNION ALL ${firstOfEachQueue("due IS NOT NULL", "session, endpoint, due")}`,
  );
  const queues = new Map<string, PendingQueue>();
  for (const { session, endpoint, due } of rows) {
    const name = JSON.stringify([session, endpoint]);
    const former = queues.get(name);
    queues.set(name, {
      session: fromStoredText(session),
      endpointId: fromStoredText(endpoint),
      firsts: due === null || (former?.firsts ?? false),
      retriesFromMs: due === null ? (former?.retriesFromMs ?? Number.POSITIVE_INFINITY) : Number(due),
    });
  }
  const [counts] = await connection.query<{ firsts: bigint; retries: bigint }>(
    `SELECT (SELECT count(*) FROM sessiond.delivery WHERE due IS NULL) AS firsts,
      (SELECT count(*) FROM sessiond.delivery WHERE due IS NOT NULL) AS retries`,
  );
  return { queues: [...queues.values()], firsts: Number(counts?.firsts ?? 0), retries: Number(counts?.retries ?? 0) };
}

/** Returns a query for the first delivery of each queue, in an order that begins with session and endpoint. */
const firstOfEachQueue = (condition: string, order: string) => {
  const first = (after: string) =>
    `(SELECT session, endpoint, due FROM sessiond.delivery WHERE ${condition} ${after} ORDER BY ${order} LIMIT 1)`;
  return `(WITH RECURSIVE found AS (
    ${first("")}
    UNION ALL
    SELECT later.* FROM found CROSS JOIN LATERAL ${first("AND (session, endpoint) > (found.session, found.endpoint)")} AS later
  ) SELECT * FROM found)`;
};
