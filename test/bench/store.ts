import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLevelBackend } from "../../src/adapters/level/backend.ts";
import { systemClock as clock } from "../../src/adapters/node/system.ts";
import { openPostgresBackend } from "../../src/adapters/postgres/backend.ts";
import type { Backend } from "../../src/ports/backend.ts";
import type { Lease } from "../../src/ports/sessions.ts";
import { createSession, newEvent, recordOf } from "../contract/backend-fixtures.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { printAtLeast } from "./session-goals.ts";

// Events and ordered deliveries per second on LevelDB and on PostgreSQL, alternated in one run. Each event is one commit with a record
// and a delivery; both stores sync. Deliveries are claimed in the order of their endpoint and settled. usage: npm run bench:store [seconds] [sessions]
const seconds = Number(process.argv[2] ?? 3);
const sessions = Number(process.argv[3] ?? 256);
const rounds = 3;
/** PostgreSQL's events beside those of LevelDB, and its deliveries a second. */
const [ratioGoal, deliveriesGoal] = [0.5, 3_000];

interface Figures {
  readonly events: number;
  readonly deliveries: number;
}

const settings = ["fsync=on", "full_page_writes=on", "autovacuum=on", "shared_buffers=128MB", "max_wal_size=1GB"];

/** Commits events to all sessions at once. Returns their number per second. */
async function measureEvents(backend: Backend, leases: readonly Lease[]): Promise<number> {
  const startMs = performance.now();
  const endMs = startMs + seconds * 1_000;
  let events = 0;
  await Promise.all(
    leases.map(async (lease) => {
      for (let revision = 2; performance.now() < endMs; revision += 1) {
        const record = recordOf(lease.session, revision);
        await backend.sessions.commit(lease, { record, events: [newEvent(lease.session, "hook")] });
        events += 1;
      }
    }),
  );
  return (events * 1_000) / (performance.now() - startMs);
}

/** Settles the deliveries of the events, as receivers that answer at once would have it. Returns their number per second. */
async function measureDeliveries(backend: Backend): Promise<number> {
  const ending = new AbortController();
  const startMs = performance.now();
  const timer = setTimeout(() => ending.abort(), seconds * 1_000);
  const settling = new Set<Promise<void>>();
  let settled = 0;
  for await (const claim of backend.outbox.claims(ending.signal)) {
    const done = claim.done().then(() => {
      settled += 1;
      settling.delete(done);
    });
    settling.add(done);
    if ((await backend.outbox.queueStats()).pending <= settling.size) break;
  }
  await Promise.all(settling);
  clearTimeout(timer);
  return (settled * 1_000) / (performance.now() - startMs);
}

async function measure(open: () => Promise<Backend>): Promise<Figures> {
  const backend = await open();
  const names = Array.from({ length: sessions }, (_, n) => `s${n}`);
  const created = await Promise.all(names.map((name) => createSession(backend, name, ["hook"])));
  const events = await measureEvents(
    backend,
    created.map(({ lease }) => lease),
  );
  const deliveries = await measureDeliveries(backend);
  await backend.upkeep.close();
  return { events, deliveries };
}

const directory = await mkdtemp(join(tmpdir(), "sessiond-bench-"));
const postgres = await startPostgres(settings);
const stores = {
  level: (round: number) => openLevelBackend({ directory: join(directory, String(round)), clock }),
  postgres: async () => openPostgresBackend({ url: await postgres.createDatabase(), clock }),
};
const measured: Record<keyof typeof stores, Figures[]> = { level: [], postgres: [] };
try {
  for (let round = 0; round < rounds; round += 1) {
    for (const name of ["level", "postgres"] as const) {
      const figures = await measure(() => stores[name](round));
      measured[name].push(figures);
      console.log(`${name}: ${figures.events.toFixed(0)} events/s, ${figures.deliveries.toFixed(0)} deliveries/s`);
    }
  }
} finally {
  await postgres.close();
  await rm(directory, { recursive: true, force: true });
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
const medianOf = (name: keyof typeof stores, kind: keyof Figures) => median(measured[name].map((each) => each[kind]));
const ratios = { events: 0, deliveries: 0 };
for (const kind of ["events", "deliveries"] as const) {
  const [level, pg] = [medianOf("level", kind), medianOf("postgres", kind)];
  ratios[kind] = pg / level;
  console.log(`${kind}/s: PostgreSQL ${pg.toFixed(0)}, LevelDB ${level.toFixed(0)}, ratio ${ratios[kind].toFixed(2)}`);
}
printAtLeast("events/s on PostgreSQL beside LevelDB", ratios.events, ratioGoal);
printAtLeast("deliveries/s on PostgreSQL", medianOf("postgres", "deliveries"), deliveriesGoal);
