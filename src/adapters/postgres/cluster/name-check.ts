import { setTimeout as pause } from "node:timers/promises";
import { applicationName, type Connection } from "../store/connection.ts";
import { toStoredText } from "../store/text.ts";
import type { ClusterTimings } from "./timings.ts";

/** Number of beats that a living process of the same name would have sent meanwhile. */
const missedBeats = 2.5;
/** Interval of the looks at it, as a part of that of the beats. */
const looks = 20;

/**
 * Checks that no living process goes by a node's name: it would lose its sessions. A former one that was killed has no connection any
 * more; one that has a connection is watched for some beats. Rejects if it beats.
 */
export async function checkName(
  connection: Connection,
  name: string,
  { beatMs }: Pick<ClusterTimings, "beatMs">,
): Promise<void> {
  let seen: bigint | undefined;
  const untilMs = performance.now() + beatMs * missedBeats;
  while (performance.now() < untilMs) {
    const [former] = await connection.query<{ beat: bigint; connected: boolean }>(
      `SELECT beat, EXISTS (
        SELECT FROM pg_stat_activity
        WHERE pid = backend AND datname = current_database() AND application_name = $2 AND pid <> pg_backend_pid()
      ) AS connected FROM sessiond.node WHERE name = $1 AND NOT fenced`,
      [toStoredText(name), applicationName],
    );
    if (!former?.connected) return;
    seen ??= former.beat;
    if (former.beat !== seen) {
      throw new Error(
        `another sessiond uses it under the name "${name}": give each node a name of its own with SESSIOND_NODE, ` +
          "or stop the other one",
      );
    }
    await pause(beatMs / looks);
  }
}
