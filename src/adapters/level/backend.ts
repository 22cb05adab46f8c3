import type { Backups } from "../../ports/backups.ts";
import type { EngineDataStore } from "../../ports/engine-data.ts";
import type { Upkeep } from "../../ports/upkeep.ts";
import { guardedData } from "../embedded/guarded-data.ts";
import type { DataKind } from "../embedded/ownership.ts";
import { LevelConsumers } from "./consumers.ts";
import { levelData } from "./engine-data.ts";
import { LevelEventLog } from "./event-log.ts";
import type { LevelOptions, LevelStore } from "./level-store.ts";
import { LevelOutbox } from "./outbox.ts";
import { LevelOutgoing } from "./outgoing.ts";
import { LevelPendingUnlinks } from "./pending-unlinks.ts";
import { SessionJournal } from "./session-journal.ts";
import { LevelSessions } from "./sessions.ts";
import { backUp } from "./store/backup.ts";
import type { Operation } from "./store/database.ts";
import { keyOf } from "./store/key.ts";
import { type OpenStore, openStore } from "./store/opening.ts";
import { countPending } from "./store/reading.ts";

/**
 * Opens the LevelDB backend on a directory of its own. Rejects, naming the directory, if it is in use, damaged, unknown, a copy, or
 * sealed with another key.
 */
export async function openLevelBackend(options: LevelOptions): Promise<LevelStore> {
  const store = await openStore(options);
  const { database, lastWrittenMs } = store;
  const journal = new SessionJournal(store, options);
  const { writer, resealed } = journal.durable;
  const pendingUnlinks = new LevelPendingUnlinks(database, writer, journal.ownership);
  for (const queue of store.pending) journal.queues.restore(queue, queue);
  if (store.pending.length > 0) void countPending(database, journal.queues);
  const backups: Backups = { write: (directory) => backUp(database, directory) };
  return {
    sessions: new LevelSessions(store, journal, pendingUnlinks),
    log: new LevelEventLog(store, journal, new LevelConsumers(database, writer)),
    engineData: engineDataOf(store, journal),
    outbox: new LevelOutbox(store, journal, options.clock),
    outgoing: new LevelOutgoing(store, journal),
    pendingUnlinks,
    upkeep: upkeepOf(journal),
    backups,
    lastWrittenMs,
    resealed,
  };
}

function engineDataOf({ database }: OpenStore, { ownership, durable }: SessionJournal): EngineDataStore {
  const handle = (kind: DataKind): EngineDataStore[DataKind] => {
    return (lease) =>
      guardedData(ownership.handle(lease, kind), levelData(database, durable.writer, lease.session, kind));
  };
  return { credentials: handle("credentials"), chats: handle("chats") };
}

function upkeepOf(journal: SessionJournal): Upkeep {
  let closed: Promise<void> | undefined;
  return {
    trim: (retention, nowMs, signal) => journal.retention.trim(retention, nowMs, signal),
    async check() {
      const key = keyOf("meta", "check");
      const build = (operations: Operation[]) => void operations.push({ type: "put", key, value: new Uint8Array() });
      await journal.durable.writer.write({ sync: true, build });
    },
    close() {
      closed ??= journal.close();
      return closed;
    },
  };
}
