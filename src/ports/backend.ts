import type { Backups } from "./backups.ts";
import type { Cluster } from "./cluster.ts";
import type { EngineDataStore } from "./engine-data.ts";
import type { EventLog } from "./event-log.ts";
import type { Outbox } from "./outbox.ts";
import type { OutgoingStore } from "./outgoing.ts";
import type { PendingUnlinks } from "./pending-unlinks.ts";
import type { Profiles } from "./profiles.ts";
import type { Sessions } from "./sessions.ts";
import type { Upkeep } from "./upkeep.ts";

/**
 * One place that stores everything that must survive, in facets. Each consumer takes only the facets that it needs. A write is
 * durable when its call resolves, unless its contract says otherwise.
 */
export interface Backend {
  readonly sessions: Sessions;
  readonly log: EventLog;
  readonly engineData: EngineDataStore;
  readonly outbox: Outbox;
  readonly outgoing: OutgoingStore;
  readonly pendingUnlinks: PendingUnlinks;
  readonly upkeep: Upkeep;
  /** Left out by backends that are backed up by tools of their own. */
  readonly backups?: Backups;
  /** Left out by backends that only one process can use. */
  readonly cluster?: Cluster;
  /** Left out by backends whose sessions stay on one machine. */
  readonly profiles?: Profiles;
}
