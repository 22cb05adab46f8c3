import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { PG_MIGRATE_LOCK_ID } from "node-pg-migrate";
import { Client } from "pg";
import { openPostgresBackend } from "../../../src/adapters/postgres/backend.ts";
import type { PostgresOptions } from "../../../src/adapters/postgres/postgres-store.ts";
import { Connection } from "../../../src/adapters/postgres/store/connection.ts";
import { migrate } from "../../../src/adapters/postgres/store/migrations.ts";
import { reasonOf } from "../../../src/adapters/postgres/store/start-errors.ts";
import { createSealer } from "../../../src/adapters/seal/aes-gcm.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { postgresServer, storeDatabase } from "./databases.ts";

const clock = new FakeClock();
const sealer = createSealer(randomBytes(32));

/** Returns the URL of a database in which a store was open before. */
async function usedDatabase(t: TestContext, options: Partial<PostgresOptions> = {}): Promise<string> {
  const database = await storeDatabase(t);
  await (await database.open(clock, options)).upkeep.close();
  return database.url;
}

const nameOf = (url: string) => new URL(url).pathname.slice(1);
const withPart = (
  url: string,
  part: Partial<Record<"username" | "password" | "port" | "hostname" | "pathname", string>>,
) => Object.assign(new URL(url), part).href;

/** Runs statements in the database that a URL names, and returns the URL. */
async function altered(url: string, ...statements: readonly string[]): Promise<string> {
  await (await postgresServer()).execute(nameOf(url), ...statements);
  return url;
}

/** Makes a user and returns the URL with its login. */
async function asUser(url: string, ...grants: readonly string[]): Promise<string> {
  const user = `user_${randomBytes(4).toString("hex")}`;
  await altered(url, `CREATE USER ${user} PASSWORD 'a word'`, ...grants.map((grant) => `GRANT ${grant} TO ${user}`));
  return withPart(url, { username: user, password: "a word" });
}

const refused: readonly {
  readonly name: string;
  readonly make: (t: TestContext) => Promise<string>;
  readonly says: RegExp;
  readonly options?: Partial<PostgresOptions>;
}[] = [
  {
    name: "a wrong password",
    make: async (t) => withPart((await storeDatabase(t)).url, { password: "hunter2" }),
    says: /refuses the login: check the user and the password in SESSIOND_STORE/,
  },
  {
    name: "an unknown user",
    make: async (t) => withPart((await storeDatabase(t)).url, { username: "nobody_here" }),
    says: /refuses the login/,
  },
  {
    name: "no password",
    make: async (t) => withPart((await storeDatabase(t)).url, { password: "" }),
    says: /add it to SESSIOND_STORE/,
  },
  {
    name: "an unknown database",
    make: async (t) => withPart((await storeDatabase(t)).url, { pathname: "/none" }),
    says: /database does not exist: create it/,
  },
  {
    name: "a port where nothing listens",
    make: async (t) => withPart((await storeDatabase(t)).url, { port: "1" }),
    says: /cannot be reached \(ECONNREFUSED\).*check the host and the port/,
  },
  {
    name: "an unknown host",
    make: async (t) => withPart((await storeDatabase(t)).url, { hostname: "none.invalid" }),
    says: /its host is unknown: check the host/,
  },
  {
    name: "a server without TLS where TLS is asked for",
    make: async (t) => `${(await storeDatabase(t)).url}?sslmode=verify-full`,
    says: /does not speak TLS/,
  },
  {
    name: "a server older than 14",
    // Only its answer is that of an old one.
    make: async (t) => {
      const { url } = await storeDatabase(t);
      return altered(
        url,
        "CREATE SCHEMA former",
        `CREATE FUNCTION former.current_setting(name text) RETURNS text LANGUAGE sql AS $$ SELECT CASE name
          WHEN 'server_version_num' THEN '130014' WHEN 'server_version' THEN '13.14' ELSE pg_catalog.current_setting(name) END $$`,
        `ALTER DATABASE ${nameOf(url)} SET search_path = former, pg_catalog`,
      );
    },
    says: /it is PostgreSQL 13\.14: sessiond needs 14 or later/,
  },
  {
    name: "a database in another encoding",
    make: async () => {
      const server = await postgresServer();
      await server.execute("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0");
      return server.urlOf("latin");
    },
    says: /encoding is LATIN1: create it with ENCODING 'UTF8'/,
  },
  {
    name: "a read-only database",
    make: async (t) => {
      const { url } = await storeDatabase(t);
      return altered(url, `ALTER DATABASE ${nameOf(url)} SET default_transaction_read_only = on`);
    },
    says: /read-only: SESSIOND_STORE must lead to the primary/,
  },
  {
    name: "a database that confirms commits early",
    make: async (t) => {
      const { url } = await storeDatabase(t);
      return altered(url, `ALTER DATABASE ${nameOf(url)} SET synchronous_commit = off`);
    },
    says: /set synchronous_commit to on/,
  },
  {
    name: "a copy",
    make: async (t) => {
      const original = await usedDatabase(t);
      const server = await postgresServer();
      await server.execute("postgres", `CREATE DATABASE ${nameOf(original)}_copy TEMPLATE ${nameOf(original)}`);
      return `${original}_copy`;
    },
    says: /it is a copy.*set SESSIOND_ADOPT_STORE=true/,
  },
  {
    name: "tables of another program in its schema",
    make: async (t) =>
      altered((await storeDatabase(t)).url, "CREATE SCHEMA sessiond", "CREATE TABLE sessiond.foreign_table ()"),
    says: /tables, but not those of sessiond: use another database/,
  },
  {
    name: "a schema whose migrations are not recorded",
    make: async (t) => altered(await usedDatabase(t), "DELETE FROM sessiond.migration"),
    says: /half done.*Restore the database/,
  },
  {
    name: "a schema whose first migration is not recorded",
    make: async (t) => altered(await usedDatabase(t), "DELETE FROM sessiond.migration WHERE name LIKE '0001%'"),
    says: /half done.*Restore the database/,
  },
  {
    name: "a schema whose last migration is not recorded",
    make: async (t) =>
      altered(
        await usedDatabase(t),
        "DELETE FROM sessiond.migration WHERE name = (SELECT max(name) FROM sessiond.migration)",
      ),
    says: /half done.*Restore the database/,
  },
  {
    name: "a schema without one of its tables",
    make: async (t) => altered(await usedDatabase(t), "DROP TABLE sessiond.endpoint"),
    says: /incomplete.*restore the database/,
  },
  {
    name: "a schema of a newer sessiond",
    make: async (t) =>
      altered(await usedDatabase(t), "INSERT INTO sessiond.migration (name, run_on) VALUES ('9999_later', now())"),
    says: /newer sessiond \(migration 9999_later\): start that version/,
  },
  {
    name: "a user who may not create the schema",
    make: async (t) => asUser((await storeDatabase(t)).url),
    says: /lacks a right.*grant CONNECT and CREATE/,
  },
  {
    name: "a user who does not own the schema",
    make: async (t) => asUser(await usedDatabase(t)),
    says: /lacks a right.*owner of the schema/,
  },
  {
    name: "a store encrypted with another key",
    make: (t) => usedDatabase(t, { sealer: createSealer(randomBytes(32)) }),
    options: { sealer },
    says: /another key than SESSIOND_SECRET_KEY.*SESSIOND_SECRET_KEY_PREVIOUS/,
  },
  {
    name: "an encrypted store without a key",
    make: (t) => usedDatabase(t, { sealer }),
    says: /is encrypted, and SESSIOND_SECRET_KEY is not set/,
  },
  {
    name: "the name of a node that is in use",
    make: async (t) => {
      const database = await storeDatabase(t);
      await database.open(clock);
      return database.url;
    },
    says: /another sessiond uses it under the name .*: give each node a name of its own with SESSIOND_NODE, or stop the other one/,
  },
];

describe("the start on PostgreSQL", () => {
  for (const { name, make, says, options } of refused) {
    it(`refuses ${name}, and says what to do`, async (t) => {
      const url = await make(t);
      const { hostname, port, pathname, username, password } = new URL(url);
      await assert.rejects(openPostgresBackend({ url, clock, ...options }), ({ message }: Error) => {
        assert.match(message, says);
        assert.ok(message.startsWith(`the store in PostgreSQL at ${hostname}:${port}${pathname} cannot be used: `));
        for (const secret of [username, password, decodeURIComponent(password)]) {
          assert.ok(secret === "" || secret === "postgres" || !message.includes(secret), `${message} has ${secret}`);
        }
        return true;
      });
    });
  }

  it("waits for another node's migration, then says who holds the lock", async (t) => {
    const { url } = await storeDatabase(t);
    const [holder, connection] = [new Client(url), new Connection({ target: { url }, timeoutMs: 5_000 })];
    t.after(() => Promise.all([holder.end(), connection.close()]));
    await holder.connect();
    await holder.query(`SELECT pg_advisory_lock(${PG_MIGRATE_LOCK_ID})`);
    const refusal = await migrate({ url }, connection, undefined, 200).catch(reasonOf);
    assert.match(String(refusal), /another process has locked it .*brings its schema up to date: wait for that one/);
    const migrated = migrate({ url }, connection, undefined);
    await holder.query(`SELECT pg_advisory_unlock(${PG_MIGRATE_LOCK_ID})`);
    await migrated;
  });

  it("needs no more than CREATE on the database", async (t) => {
    const { url } = await storeDatabase(t);
    const own = await asUser(url, `CREATE ON DATABASE ${nameOf(url)}`);
    for (let life = 0; life < 2; life += 1) await (await openPostgresBackend({ url: own, clock })).upkeep.close();
  });
});
