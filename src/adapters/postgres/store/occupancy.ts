import { setTimeout as pause } from "node:timers/promises";
import { applicationName, type Connection } from "./connection.ts";

/** Connections of a process that was killed are gone by then. */
const waitMs = 5_000;
const intervalMs = 100;

/** Waits until no other process uses the store. Rejects if one still does after 5 s. */
export async function checkUnused(connection: Connection): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += intervalMs) {
    const [other] = await connection.query<{ address: string | null; since: string; pid: number }>(
      `SELECT client_addr::text AS address, backend_start::text AS since, pid FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid() ORDER BY backend_start`,
      [applicationName],
    );
    if (!other) return;
    if (waitedMs >= waitMs) {
      throw new Error(
        `it is in use by another sessiond (from ${other.address ?? "this machine"}, connected since ${other.since}): stop that one, ` +
          "or use another database. If its machine is gone, PostgreSQL notices within half a minute",
      );
    }
    await pause(intervalMs);
  }
}
