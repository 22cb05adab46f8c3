import type { EngineDataStore } from "../../ports/engine-data.ts";
import type { Upkeep } from "../../ports/upkeep.ts";
import { guardedData } from "../embedded/guarded-data.ts";
import type { DataKind } from "../embedded/ownership.ts";
import { PostgresConsumers } from "./consumers.ts";
import { CredentialCache } from "./credential-cache.ts";
import { postgresData } from "./engine-data.ts";
import { PostgresEventLog } from "./event-log.ts";
import { PostgresOutbox } from "./outbox.ts";
import { PostgresPendingUnlinks } from "./pending-unlinks.ts";
import type { PostgresOptions, PostgresStore } from "./postgres-store.ts";
import { SessionJournal } from "./session-journal.ts";
import { PostgresSessions } from "./sessions.ts";
import { type OpenStore, openStore } from "./store/opening.ts";

export { placeOf } from "./store/start-errors.ts";

/**
 * Opens the PostgreSQL backend on a database of its own. Rejects, naming server and database but never the password, if it cannot be
 * reached, is in use, unknown, a copy, or sealed with another key.
 */
export async function openPostgresBackend(options: PostgresOptions): Promise<PostgresStore> {
  const store = await openStore(options);
  options.clock.continueFrom(store.lastWrittenMs ?? 0);
  const journal = new SessionJournal(store, options);
  const { writers, queues } = journal;
  const pendingUnlinks = new PostgresPendingUnlinks(store, writers, journal.ownership);
  for (const queue of store.pending) {
    queues.restore(queue, { firsts: queue.firsts > 0, retriesFromMs: queue.retriesFromMs });
    queues.restored(queue.firsts, queue.retries);
  }
  return {
    sessions: new PostgresSessions(store, journal, pendingUnlinks),
    log: new PostgresEventLog(store, journal, new PostgresConsumers(store.reads, writers.log)),
    engineData: engineDataOf(store, journal),
    outbox: new PostgresOutbox(store, journal, options.clock),
    pendingUnlinks,
    upkeep: upkeepOf(journal, store),
    lastWrittenMs: store.lastWrittenMs,
    resealed: Promise.resolve(),
  };
}

function engineDataOf(store: OpenStore, { ownership, writers }: SessionJournal): EngineDataStore {
  const context = { store, writers, cache: new CredentialCache() };
  const handle = (kind: DataKind): EngineDataStore[DataKind] => {
    return (lease) => guardedData(ownership.handle(lease, kind), postgresData(context, lease.session, kind));
  };
  return { credentials: handle("credentials"), chats: handle("chats") };
}

function upkeepOf(journal: SessionJournal, { outage }: OpenStore): Upkeep {
  let closed: Promise<void> | undefined;
  return {
    trim: (retention, nowMs, signal) => journal.retention.trim(retention, nowMs, signal),
    // A group without changes is an entry in the journal.
    check: () => journal.writers.log.write({ sync: true, build: () => {} }),
    onOutage: (callback) => outage.onLong(callback),
    close() {
      closed ??= journal.close();
      return closed;
    },
  };
}
