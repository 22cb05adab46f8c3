import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import type { Logger } from "../../../ports/system.ts";
import { type Connection, serverOptions, type Target } from "./connection.ts";
import { sqlStateOf } from "./failures.ts";

const directory = fileURLToPath(new URL("../migrations", import.meta.url));
const schema = "sessiond";
const table = "migration";
/** Time for another node to bring the schema up to date, ms. */
const defaultLockLimitMs = 60_000;

/** Brings the schema up to date, under a lock. Rejects if it was left half done, or by a newer program, or if the lock is not free in time. */
export async function migrate(
  target: Target,
  connection: Connection,
  logger: Logger | undefined,
  lockLimitMs = defaultLockLimitMs,
): Promise<void> {
  const known = await namesOfMigrations();
  const done = await migrationsIn(connection);
  if (isComplete(known, done)) return;
  const { runner } = await import("node-pg-migrate");
  const dbClient = new Client({
    connectionString: target.url,
    application_name: "sessiond migration",
    // The lock of a machine that is gone is freed within half a minute.
    options: `${serverOptions} -c lock_timeout=${lockLimitMs}`,
  });
  await dbClient.connect();
  try {
    const run = await runner({
      dbClient,
      dir: directory,
      direction: "up",
      schema,
      createSchema: true,
      migrationsTable: table,
      checkOrder: true,
      singleTransaction: true,
      advisoryLockMode: "wait",
      // It reports each statement.
      log: () => {},
    });
    logger?.info({ migrations: run.map(({ name }) => name) }, "PostgreSQL schema migrated");
  } catch (error) {
    throw alreadyThere.has(sqlStateOf(error) ?? "") ? new Error(halfDone, { cause: error }) : error;
  } finally {
    await dbClient.end();
  }
}

async function namesOfMigrations(): Promise<string[]> {
  const files = await readdir(directory);
  return files
    .filter((name) => name.endsWith(".sql"))
    .map((name) => name.slice(0, -".sql".length))
    .sort();
}

/** Returns the migrations that a database has; undefined if it has no schema. */
async function migrationsIn(connection: Connection): Promise<string[] | undefined> {
  const [found] = await connection.query<{ schema: boolean; migrations: boolean; tables: number }>(
    `SELECT to_regnamespace('sessiond') IS NOT NULL AS schema, to_regclass('sessiond.migration') IS NOT NULL AS migrations,
      (SELECT count(*)::integer FROM pg_class WHERE relnamespace = to_regnamespace('sessiond') AND relkind = 'r') AS tables`,
  );
  if (!found?.schema || (found.tables === 0 && !found.migrations)) return undefined;
  if (!found.migrations) {
    throw new Error(
      "its schema sessiond has tables, but not those of sessiond: use another database, or drop the schema if nothing needs it",
    );
  }
  const rows = await connection.query<{ name: string }>("SELECT name::text FROM sessiond.migration ORDER BY id");
  if (rows.length === 0 && found.tables > 1) throw new Error(halfDone);
  return rows.map(({ name }) => name);
}

const halfDone =
  "its schema sessiond is half done: a copy of it was interrupted. Restore the database, or drop the schema to begin anew";

/** A table, a function or an index that a migration makes. */
const alreadyThere: ReadonlySet<string> = new Set(["42P07", "42723", "42710", "42701"]);

/** Returns true if all migrations are done. Throws if the database has others, or lacks what its migrations have made. */
function isComplete(known: readonly string[], done: readonly string[] | undefined): boolean {
  const newer = done?.find((name) => !known.includes(name));
  if (newer !== undefined) {
    throw new Error(`it was used by a newer sessiond (migration ${newer}): start that version or a later one`);
  }
  const isInOrder = done?.every((name, index) => known[index] === name) ?? true;
  if (!isInOrder) throw new Error(halfDone);
  return done?.length === known.length;
}
