import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { GetOverviewResponseSchema } from "../../gen/sessiond/v1/server_service_pb.js";
import type { Engine_Kind } from "../../gen/sessiond/v1/session_pb.js";
import type { currentOverview } from "../app/overview.ts";
import type { Storm } from "../app/reconnects.ts";
import type { Clock } from "../app/shown-time.ts";

/** Sources of the overview. */
export interface OverviewOptions {
  /** Reads sessions and webhooks. */
  current(): ReturnType<typeof currentOverview>;
  /** The engines that the server can run, each with its client version; "" if it has none of its own. */
  engines(): readonly { readonly kind: Engine_Kind; readonly clientVersion: string }[];
  /** Sessions that reconnect again and again, most first. */
  storms(): readonly Storm[];
  /** Number of sessions that wait for a slot to connect. */
  connectQueue(): number;
  openStreams(): number;
  memory(): { readonly rssBytes: number; readonly heapUsedBytes: number };
  /** The latest backup; undefined if there is none. */
  lastBackup(): Promise<{ readonly directory: string; readonly wallMs: number } | undefined>;
}

/** Facts about the server that the overview repeats. */
interface ServerFacts {
  readonly version: string;
  readonly startedAtMs: number;
  readonly clock: Clock;
  pendingUnlinks(): number;
  readonly overview: OverviewOptions;
}

/** Names of sessions in each list, at most. */
const maxNamed = 100;

/** Returns the state of the whole server. */
export async function overviewOf(facts: ServerFacts): Promise<MessageInitShape<typeof GetOverviewResponseSchema>> {
  const { overview, clock, version, startedAtMs } = facts;
  const [now, backup] = await Promise.all([overview.current(), overview.lastBackup()]);
  const { endpoints, deliveries, suspects } = now;
  const storms = overview.storms();
  const sessionsOf = new Map(now.byEngine);
  return {
    version,
    time: timestampFromMs(clock.wallMs()),
    startedAt: timestampFromMs(clock.wallMsAt(startedAtMs)),
    engines: overview.engines().map(({ kind, clientVersion }) => ({
      engine: kind,
      sessions: sessionsOf.get(kind) ?? 0,
      clientVersion,
    })),
    sessions: {
      total: now.total,
      byStatus: now.byStatus.map(([status, count]) => ({ status, count })),
      byReason: now.byReason.map(([reason, count]) => ({ reason, count })),
    },
    connectQueue: overview.connectQueue(),
    storms: storms.slice(0, maxNamed).map((storm) => ({ ...storm })),
    stormCount: storms.length,
    suspects: suspects.slice(0, maxNamed),
    suspectCount: suspects.length,
    webhooks: {
      pending: deliveries.pending,
      retrying: deliveries.retrying,
      ...(deliveries.oldestMs !== undefined && { oldestPendingAt: timestampFromMs(deliveries.oldestMs) }),
      endpoints: endpoints.all,
      failingEndpoints: endpoints.failing,
      disabledEndpoints: endpoints.disabled,
    },
    openStreams: overview.openStreams(),
    memory: overview.memory(),
    ...(backup && { lastBackup: { time: timestampFromMs(backup.wallMs), directory: backup.directory } }),
    pendingUnlinks: facts.pendingUnlinks(),
  };
}
