import { after, type TestContext } from "node:test";
import { openPostgresBackend } from "../../../src/adapters/postgres/backend.ts";
import type { PostgresOptions, PostgresStore } from "../../../src/adapters/postgres/postgres-store.ts";
import type { Clock } from "../../../src/ports/system.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres-server.ts";

let started: Promise<PostgresServer> | undefined;

/** Returns the server of this test file. It starts with the first call, and ends with the file. */
export function postgresServer(): Promise<PostgresServer> {
  started ??= startPostgres();
  return started;
}

after(async () => (await started)?.close());

/** A database for a store, with a function that opens it. */
export interface StoreDatabase {
  readonly url: string;
  open(clock: Clock, options?: Partial<PostgresOptions>): Promise<PostgresStore>;
}

/** A new database, whose stores are closed when the test ends. */
export async function storeDatabase(t: TestContext): Promise<StoreDatabase> {
  const server = await postgresServer();
  return storeIn(t, await server.createDatabase());
}

const emptied: string[] = [];

/** A database without a store, as a new one is, except that its schema may be there already. */
export async function emptyDatabase(t: TestContext): Promise<StoreDatabase> {
  const server = await postgresServer();
  const url = emptied.pop() ?? (await server.createDatabase());
  const database = storeIn(t, url);
  // Deleting rows takes a tenth of the time of a new database.
  t.after(async () => {
    await server.execute(new URL(url).pathname.slice(1), clean);
    emptied.push(url);
  });
  return database;
}

const clean = `
  DO $$ DECLARE name text; BEGIN
    IF to_regnamespace('sessiond') IS NULL THEN
      RETURN;
    END IF;
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'sessiond'::regnamespace AND relkind = 'r'
      AND relname NOT IN ('migration', 'log_head', 'node') LOOP
      EXECUTE format('DELETE FROM sessiond.%I', name);
    END LOOP;
    DELETE FROM sessiond.node;
    UPDATE sessiond.log_head SET floor = 0;
  END $$`;

function storeIn(t: TestContext, url: string): StoreDatabase {
  const opened: PostgresStore[] = [];
  t.after(async () => {
    for (const backend of opened) await backend.upkeep.close();
  });
  return {
    url,
    async open(clock, options = {}) {
      const backend = await openPostgresBackend({ url, clock, ...options });
      opened.push(backend);
      return backend;
    },
  };
}
