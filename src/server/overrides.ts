import type { EventEmitter } from "node:events";
import type { ConnectRouter } from "@connectrpc/connect";
import { systemClock, systemRandom } from "../adapters/node/system.ts";
import { createLogger, type ProcessLogger } from "../adapters/pino/logger.ts";
import type { ClusterTimings } from "../adapters/postgres/cluster/timings.ts";
import { drawQr } from "../adapters/qrcode/draw.ts";
import type { DrawQr } from "../api/picture.ts";
import type { Config } from "../config/config.ts";
import type { Backend } from "../ports/backend.ts";
import type { EngineFactory } from "../ports/engine.ts";
import type { Clock, Logger, Random } from "../ports/system.ts";

/** Parts that take the place of the server's own. Tests set them. */
export interface Overrides {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
  readonly drawQr?: DrawQr;
  /** Replaces the store that the configuration names. The server closes it when it stops. */
  readonly backend?: Backend;
  /** Times by which the nodes of a cluster judge each other. */
  readonly clusterTimings?: ClusterTimings;
  /** Replaces NOWEB and WEBJS. */
  readonly engines?: readonly EngineFactory[];
  /** Replaces all services. REST then has no paths but those of the documentation. */
  readonly routes?: (router: ConnectRouter) => void;
  /** Emits "uncaughtException" and "unhandledRejection"; the process itself unless set. */
  readonly processEvents?: EventEmitter;
}

/** The parts that every module of the server uses. */
export interface Tools {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Logs each call at its end. */
  readonly callLogger: Logger;
  readonly drawQr: DrawQr;
}

/** Returns the overridden parts, and the real ones in all other places. */
export function createTools({ logLevel, logFormat }: Config, overrides: Overrides): Tools {
  return {
    clock: overrides.clock ?? systemClock,
    random: overrides.random ?? systemRandom,
    ...loggersOf(overrides.logger ?? createLogger({ level: logLevel, format: logFormat })),
    drawQr: overrides.drawQr ?? drawQr,
  };
}

const loggersOf = (logger: Logger | ProcessLogger): Pick<Tools, "logger" | "callLogger"> => ({
  logger,
  callLogger: "calls" in logger ? logger.calls : logger,
});
