import { type Balance, balanceLoad } from "../domain/balance.ts";
import type { Cluster } from "../ports/cluster.ts";
import type { Clock, Logger } from "../ports/system.ts";
import type { SessionRunner } from "./session-runner.ts";

/** Interval of the looks at the nodes. At each, at most one session moves. */
export const balanceIntervalMs = 5_000;

/** Dependencies of a rebalancer. */
export interface RebalancerOptions {
  readonly cluster: Pick<Cluster, "placement" | "standing">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Returns the sessions that run here. */
  readonly runners: () => readonly Promise<SessionRunner>[];
}

/** Gives sessions to nodes that have less to do, one by one, those that have been quiet for longest first. */
export class Rebalancer {
  readonly #options: RebalancerOptions;
  #balance: Balance | undefined;
  #cancel: (() => void) | undefined;
  #count = 0;

  constructor(options: RebalancerOptions) {
    this.#options = options;
  }

  /** Number of sessions given away. */
  get count(): number {
    return this.#count;
  }

  start(): void {
    this.#cancel = this.#options.clock.schedule(balanceIntervalMs, () => void this.#look());
  }

  /** Gives no more sessions away. Idempotent. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { cluster, clock, logger } = this.#options;
    const { placement, standing } = cluster;
    try {
      const nodes = standing.isFrozen ? [] : await placement.nodes();
      const { balance, target } = balanceLoad(placement.self, nodes, clock.nowMs(), this.#balance);
      this.#balance = balance;
      if (target !== undefined && this.#cancel) await this.#give(target);
    } catch (error) {
      logger.warn({ err: error }, "a session could not be given to a node with less to do");
    }
    if (this.#cancel) this.start();
  }

  async #give(node: string): Promise<void> {
    const { cluster, logger, runners } = this.#options;
    const loaded = (await Promise.allSettled(runners())).flatMap((result) =>
      result.status === "fulfilled" && result.value.isMovable ? [result.value] : [],
    );
    const [quietest] = loaded.sort((a, b) => a.newestMessageMs - b.newestMessageMs);
    if (!quietest || !(await quietest.handOver(cluster.placement, node))) return;
    this.#count += 1;
    logger.info({ session: quietest.record.name, node }, "session given to a node with less to do");
  }
}
