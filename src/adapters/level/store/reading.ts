import type { DeliveryQueues } from "../../embedded/delivery-queues.ts";
import type { Database, DatabaseSnapshot } from "./database.ts";
import { type Family, rangeOf } from "./key.ts";

/** Runs reads on one snapshot of the database. */
export async function readAtSnapshot<T>(
  database: Database,
  read: (snapshot: DatabaseSnapshot) => Promise<T>,
): Promise<T> {
  const snapshot = database.snapshot();
  return read(snapshot).finally(() => snapshot.close().catch(() => {}));
}

/** Counts the pending deliveries for the queues. Runs in the background, since there may be very many. */
export async function countPending(database: Database, queues: DeliveryQueues): Promise<void> {
  try {
    const [pending, retrying] = await readAtSnapshot(
      database,
      async (snapshot) =>
        [await count(database, "firstAttempt", snapshot), await count(database, "retry", snapshot)] as const,
    );
    queues.restored(pending, retrying);
  } catch {
    // The database is being closed.
  }
}

async function count(database: Database, family: Family, snapshot: DatabaseSnapshot): Promise<number> {
  let found = 0;
  for await (const _ of database.keys({ ...rangeOf(family), snapshot })) found += 1;
  return found;
}
