import type { Logger } from "../../../ports/system.ts";
import type { Connection } from "./connection.ts";

/**
 * Checks that what PostgreSQL confirms is kept. Rejects if commits do not wait for the disk, or if a standby that follows without being
 * waited for could take over: it would bring back Signal ratchets that were used already. Sees standbys only where the user may.
 */
export async function checkDurability(connection: Connection, logger: Logger | undefined): Promise<void> {
  const [server] = await connection.query<{ commits: string; fsync: string; followed: boolean; waited: boolean }>(
    `SELECT current_setting('synchronous_commit') AS commits, current_setting('fsync') AS fsync,
      coalesce(bool_or(sync_state = 'async'), false) AS followed, coalesce(bool_or(sync_state <> 'async'), false) AS waited
    FROM pg_stat_replication AS r
    WHERE state IN ('streaming', 'catchup') AND application_name NOT IN ('pg_basebackup', 'pg_receivewal')
      AND NOT EXISTS (SELECT FROM pg_replication_slots AS s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')`,
  );
  if (!server) return;
  const { commits, fsync, followed, waited } = server;
  if (commits === "off") {
    throw new Error(
      "it confirms commits before they are on disk: set synchronous_commit to on for this database " +
        "(ALTER DATABASE … SET synchronous_commit = on)",
    );
  }
  if (followed && !waited) {
    throw new Error(
      "its standbys are asynchronous: after a fail-over, commits that it has confirmed would be missing, and with them the state of " +
        "sessions. Name a standby in synchronous_standby_names, or disconnect the standbys",
    );
  }
  if (waited && commits === "local") {
    throw new Error(
      "it does not wait for its synchronous standbys: set synchronous_commit to on for this database " +
        "(ALTER DATABASE … SET synchronous_commit = on)",
    );
  }
  if (fsync === "off") {
    logger?.warn({}, "PostgreSQL runs with fsync=off: a power failure may damage the store. Set fsync=on");
  }
}
