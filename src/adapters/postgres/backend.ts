import type { EngineDataStore } from "../../ports/engine-data.ts";
import type { Upkeep } from "../../ports/upkeep.ts";
import { guardedData } from "../embedded/guarded-data.ts";
import type { DataKind } from "../embedded/ownership.ts";
import { PostgresNode } from "./cluster/node.ts";
import { PostgresConsumers } from "./consumers.ts";
import { CredentialCache } from "./credential-cache.ts";
import { DeliveryLog } from "./delivery-log.ts";
import { postgresData } from "./engine-data.ts";
import { PostgresEventLog } from "./event-log.ts";
import { PostgresOutbox } from "./outbox.ts";
import { PostgresOutgoing } from "./outgoing.ts";
import { PostgresPendingUnlinks } from "./pending-unlinks.ts";
import type { PostgresOptions, PostgresStore } from "./postgres-store.ts";
import { PostgresProfiles } from "./profiles.ts";
import { SessionJournal } from "./session-journal.ts";
import { PostgresSessions } from "./sessions.ts";
import { type OpenStore, openStore } from "./store/opening.ts";
import type { Operation } from "./store/operation.ts";
import { resealAll } from "./store/resealing.ts";

export { placeOf } from "./store/start-errors.ts";

/**
 * Opens the PostgreSQL backend on a database of its own. Rejects, naming server and database but never the password, if it cannot be
 * reached, is in use, unknown, a copy, or sealed with another key.
 */
export async function openPostgresBackend(options: PostgresOptions): Promise<PostgresStore> {
  const store = await openStore(options);
  options.clock.continueFrom(store.lastWrittenMs ?? 0);
  const journal = new SessionJournal(store, options);
  const { writers } = journal;
  const pendingUnlinks = new PostgresPendingUnlinks(store, journal);
  const node = new PostgresNode(store, journal, options.logger);
  await startNode(node, journal);
  const resealing = new AbortController();
  return {
    sessions: new PostgresSessions(store, journal, pendingUnlinks),
    log: new PostgresEventLog(store, journal, new PostgresConsumers(store.reads, writers.log)),
    engineData: engineDataOf(store, journal),
    outbox: new PostgresOutbox(journal, new DeliveryLog(store, journal), options.clock),
    outgoing: new PostgresOutgoing(store, journal),
    pendingUnlinks,
    profiles: new PostgresProfiles(store),
    upkeep: upkeepOf(store, journal, node, resealing),
    cluster: node,
    lastWrittenMs: store.lastWrittenMs,
    resealed: reseal(store, options.logger, resealing.signal),
  };
}

function engineDataOf(store: OpenStore, journal: SessionJournal): EngineDataStore {
  const { ownership, writers } = journal;
  const authorise = (session: string, operations: Operation[]) => journal.authorise(session, operations);
  const context = { store, writers, authorise, cache: new CredentialCache() };
  const handle = (kind: DataKind): EngineDataStore[DataKind] => {
    return (lease) => guardedData(ownership.handle(lease, kind), postgresData(context, lease.session, kind));
  };
  return { credentials: handle("credentials"), chats: handle("chats") };
}

/** Starts a node whose store is open. */
async function startNode(node: PostgresNode, journal: SessionJournal): Promise<void> {
  try {
    await node.start();
  } catch (error) {
    await node.close();
    await journal.close();
    throw error;
  }
}

/** Seals values with the present key that are not. Never rejects. */
async function reseal(
  { upkeep, values, hasOutdatedSeals }: OpenStore,
  logger: PostgresOptions["logger"],
  signal: AbortSignal,
): Promise<void> {
  const { sealer } = values;
  if (!sealer || !hasOutdatedSeals) return;
  try {
    const sealed = await resealAll(upkeep, values, sealer, signal);
    if (!signal.aborted && sealed > 0)
      logger?.info({ values: sealed, keyId: sealer.keyId }, "store sealed with the present key");
  } catch (error) {
    if (!signal.aborted) logger?.error({ err: error }, "values could not be sealed anew; the next start goes on");
  }
}

function upkeepOf(
  { outage }: OpenStore,
  journal: SessionJournal,
  node: PostgresNode,
  resealing: AbortController,
): Upkeep {
  let closed: Promise<void> | undefined;
  return {
    trim: (retention, nowMs, signal) => journal.retention.trim(retention, nowMs, signal),
    // A group without changes is an entry in the journal.
    check: () => journal.writers.log.write({ sync: true, build: () => {} }),
    onOutage: (callback) => outage.onLong(callback),
    close() {
      resealing.abort();
      closed ??= journal.close(() => node.close());
      return closed;
    },
  };
}
