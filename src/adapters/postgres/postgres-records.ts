import { Records } from "../embedded/records.ts";
import type { OpenStore } from "./store/opening.ts";
import { fromStoredText, toStoredText } from "./store/text.ts";

/** The log that records belong to. */
export interface RecordLog {
  /** Returns the log's end. Throws once the store is closed. */
  seq(): bigint;
  /** Resolves when the group being written has succeeded or failed. */
  flushed(): Promise<void>;
}

/** Returns the records of a database. Parameters as in Records. */
export function postgresRecords({ reads, values, sessions }: OpenStore, log: RecordLog, capacity?: number): Records {
  const records: Records = new Records(
    {
      seq: () => log.seq(),
      async read(names) {
        // A record that is being written may be read before readers may see it.
        const isStaged = () => names.some((name) => records.isStaged(name));
        if (!isStaged()) {
          const rows = await reads.query<{ name: string; record: Buffer }>(
            "SELECT name, record FROM sessiond.session WHERE name = ANY ($1)",
            [names.map(toStoredText)],
          );
          if (!isStaged()) {
            return new Map(
              rows.map(({ name, record }) => {
                const session = fromStoredText(name);
                return [session, values.open(record, "session", session)];
              }),
            );
          }
        }
        await log.flushed();
        return undefined;
      },
    },
    sessions,
    capacity,
  );
  return records;
}
