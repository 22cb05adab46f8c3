import type { SessionRecord } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Backend } from "../../ports/backend.ts";
import type { Clock } from "../../ports/system.ts";
import { MemoryEngineData } from "./engine-data.ts";
import { MemoryEventLog } from "./event-log.ts";
import { MemoryJournal } from "./journal.ts";
import { MemoryOutbox } from "./outbox.ts";
import { MemoryOutgoing } from "./outgoing.ts";
import { MemoryPendingUnlinks } from "./pending-unlinks.ts";
import { trim } from "./retention.ts";
import { MemorySessions } from "./sessions.ts";

/** Opens a backend that lasts as long as the process: for tests. */
export function openMemoryBackend({ clock }: { readonly clock: Clock }): Backend {
  const records = new Map<string, SessionRecord>();
  const journal = new MemoryJournal(clock, (session) => records.has(session));
  const engineData = new MemoryEngineData(journal);
  const outgoing = new MemoryOutgoing(journal);
  const pendingUnlinks = new MemoryPendingUnlinks((id) => engineData.wipe(id));
  return {
    sessions: new MemorySessions({ journal, engineData, outgoing, pendingUnlinks, records }),
    log: new MemoryEventLog(journal),
    engineData,
    outbox: new MemoryOutbox(journal, clock),
    outgoing,
    pendingUnlinks,
    upkeep: {
      async trim(retention, nowMs, signal) {
        const sessions = signal.aborted ? [] : new Set([...records.keys(), ...journal.log.sessions]);
        const sent = signal.aborted || !retention.sent ? 0 : outgoing.trim(retention.sent, nowMs);
        return sent + trim(sessions, retention, nowMs, journal);
      },
      async check() {
        journal.assertOpen();
      },
      async close() {
        journal.close();
      },
    },
  };
}
