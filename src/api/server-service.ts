import type { ServiceImpl } from "@connectrpc/connect";
import type { ServerService } from "../../gen/sessiond/v1/server_service_pb.js";
import type { Clock } from "../app/shown-time.ts";
import { SessionError, shuttingDown } from "../domain/errors.ts";
import { type NodeList, nodesView } from "./nodes/node-list.ts";
import { type OverviewOptions, overviewOf } from "./overview.ts";
import type { ServingState } from "./serving-state.ts";

/** Facts about the server. */
export interface ServerServiceOptions {
  readonly version: string;
  /** Name of the default engine. */
  readonly engine: string;
  /** Returns the path of the browser for WEBJS; undefined if there is none. */
  browser(): Promise<string | undefined>;
  /** Name of this server for WAHA's clients; "" if it has none. */
  readonly workerId: string;
  readonly nodeList: NodeList;
  /** Number of devices still to be unlinked at WhatsApp. */
  pendingUnlinks(): number;
  /** Monotonic time of the start. */
  readonly startedAtMs: number;
  readonly serving: Pick<ServingState, "current">;
  readonly overview: OverviewOptions;
  readonly clock: Clock;
}

/** Creates ServerService over facts and the serving state. */
export function createServerService(options: ServerServiceOptions): ServiceImpl<typeof ServerService> {
  const { version, engine, workerId, startedAtMs, clock, serving } = options;
  return {
    ping: () => ({ message: "pong" }),
    async checkHealth() {
      const state = await serving.current();
      if (state === "draining") throw shuttingDown();
      if (state === "store_unavailable") throw new SessionError("STORE_UNAVAILABLE", "The store takes no writes");
      return { status: "ok", details: { store: { status: "up" } } };
    },
    async getVersion() {
      const browser = await options.browser();
      return { version, engine, tier: "PLUS", ...(browser !== undefined && { browser }) };
    },
    getOverview: () => overviewOf(options),
    listNodes: async () => ({ nodes: await nodesView(options.nodeList) }),
    getServerStatus() {
      const pendingUnlinks = options.pendingUnlinks();
      return {
        startTimestamp: clock.wallMsAt(startedAtMs),
        uptime: clock.nowMs() - startedAtMs,
        worker: { id: workerId },
        ...(pendingUnlinks > 0 && { pendingUnlinks }),
      };
    },
  };
}
