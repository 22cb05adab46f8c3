import type { OverviewOptions } from "../../src/api/overview.ts";

/** The sources of an overview of a server without sessions. */
export const quietOverview: OverviewOptions = {
  current: async () => ({
    total: 0,
    byStatus: [],
    byReason: [],
    byEngine: [],
    suspects: [],
    endpoints: { all: 0, failing: 0, disabled: 0 },
    deliveries: { pending: 0, retrying: 0, oldestMs: undefined },
  }),
  engines: () => [],
  storms: () => [],
  connectQueue: () => 0,
  openStreams: () => 0,
  memory: () => ({ rssBytes: 0, heapUsedBytes: 0 }),
  lastBackup: async () => undefined,
};
