import type { ServiceImpl } from "@connectrpc/connect";
import type { ServerService } from "../../gen/sessiond/v1/server_service_pb.js";
import type { Clock } from "../app/shown-time.ts";
import { settledWithin } from "../app/time-box.ts";
import { SessionError } from "../domain/errors.ts";
import type { CallLogger } from "./interceptors.ts";

/** What the server can tell about itself. */
export interface ServerServiceOptions {
  readonly version: string;
  /** Name of the default engine. */
  readonly engine: string;
  /** Path of the browser for WEBJS; undefined where there is none. */
  browser(): Promise<string | undefined>;
  readonly workerId: string;
  /** Number of devices still to be unlinked at WhatsApp. */
  pendingUnlinks(): number;
  /** When it started, on the monotonic clock. */
  readonly startedAtMs: number;
  /** Resolves if the store takes writes. */
  checkStore(): Promise<void>;
  readonly clock: Clock;
  readonly logger: CallLogger;
}

/** A store that is slower than this is no use to anybody. */
const checkTimeoutMs = 5_000;

/** ServerService over facts and a check. */
export function createServerService(options: ServerServiceOptions): ServiceImpl<typeof ServerService> {
  const { version, engine, workerId, startedAtMs, clock, logger } = options;
  const storeIsUp = async () => {
    try {
      await options.checkStore();
      return true;
    } catch (error) {
      logger.error({ err: error }, "the store takes no writes");
      return false;
    }
  };
  return {
    ping: () => ({ message: "pong" }),
    async checkHealth() {
      const up = await settledWithin(clock, checkTimeoutMs, storeIsUp());
      if (!up) throw new SessionError("STORE_UNAVAILABLE", "The store takes no writes");
      return { status: "ok", details: { store: { status: "up" } } };
    },
    async getVersion() {
      const browser = await options.browser();
      return { version, engine, tier: "PLUS", ...(browser !== undefined && { browser }) };
    },
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
