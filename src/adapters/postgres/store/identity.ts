import type { Connection } from "./connection.ts";
import { sqlStateOf } from "./failures.ts";

const insufficientPrivilege = "42501";

/**
 * Checks that the store is in the server and database where it was last opened, and records it. Returns the store's id. Throws for a
 * copy, which would use the original's Signal ratchets again, unless `adopt` declares the original retired.
 */
export async function checkIdentity(connection: Connection, adopt: boolean): Promise<string> {
  const here = await homeOf(connection);
  await connection.query("INSERT INTO sessiond.cluster (home) VALUES ($1) ON CONFLICT DO NOTHING", [here]);
  const [cluster] = await connection.query<{ id: string; home: string | null }>(
    "SELECT id::text AS id, home FROM sessiond.cluster",
  );
  if (!cluster) throw new Error("its schema sessiond has no store");
  if (cluster.home !== null && here !== null && cluster.home !== here && !adopt) {
    throw new Error(
      "it is a copy: it was made in another server or database. Two copies of a store destroy each other's WhatsApp sessions. " +
        "If the original will never be used again, set SESSIOND_ADOPT_STORE=true for one start",
    );
  }
  if (here !== null && cluster.home !== here) await connection.query("UPDATE sessiond.cluster SET home = $1", [here]);
  return cluster.id;
}

/** Returns what tells this database from its copies; null where the server does not let it be read. A physical copy has the same. */
async function homeOf(connection: Connection): Promise<string | null> {
  try {
    const [home] = await connection.query<{ home: string }>(
      `SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' ||
        (SELECT oid FROM pg_database WHERE datname = current_database())::text AS home`,
    );
    return home?.home ?? null;
  } catch (error) {
    if (sqlStateOf(error) === insufficientPrivilege) return null;
    throw error;
  }
}
