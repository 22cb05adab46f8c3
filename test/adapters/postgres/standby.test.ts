import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { openPostgresBackend } from "../../../src/adapters/postgres/backend.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { startPostgres } from "../../support/postgres-server.ts";

const clock = new FakeClock();
const primary = await startPostgres();
after(() => primary.close());
const url = await primary.createDatabase();
const standby = await primary.startStandby();
after(() => standby.close());

/** Waits until a standby is in a state. Each look is a statement of its own: within one, PostgreSQL does not read its settings again. */
async function untilStandby(condition: string): Promise<void> {
  const look = `DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_stat_replication WHERE ${condition}) THEN RAISE EXCEPTION 'not yet'; END IF;
  END $$`;
  for (;;) {
    const isThere = await primary.execute("postgres", look).then(
      () => true,
      () => false,
    );
    if (isThere) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe("a start on PostgreSQL with a standby", () => {
  it("refuses a standby that is not waited for", async () => {
    await untilStandby("state = 'streaming'");
    await assert.rejects(
      openPostgresBackend({ url, clock }),
      /standbys are asynchronous.*Name a standby in synchronous_standby_names/,
    );
  });

  it("refuses the standby itself", async () => {
    const there = standby.urlOf(new URL(url).pathname.slice(1));
    await assert.rejects(openPostgresBackend({ url: there, clock }), /it is a standby.*lead to the primary/);
  });

  it("refuses a standby that is waited for by no commit", async () => {
    await primary.execute("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()");
    await untilStandby("sync_state = 'sync'");
    await primary.execute(
      "postgres",
      `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET synchronous_commit = local`,
    );
    await assert.rejects(openPostgresBackend({ url, clock }), /does not wait for its synchronous standbys/);
  });

  it("takes a standby that is waited for", async () => {
    await primary.execute("postgres", `ALTER DATABASE ${new URL(url).pathname.slice(1)} RESET synchronous_commit`);
    const backend = await openPostgresBackend({ url, clock });
    await backend.upkeep.check();
    await backend.upkeep.close();
  });
});
