import { chooseSuccessor } from "../domain/successor.ts";
import type { ClusterNode, Placement } from "../ports/cluster.ts";
import type { Clock, Logger } from "../ports/system.ts";
import type { SessionRunner } from "./session-runner.ts";
import { awaitWithin } from "./time-box.ts";

/** Shortest time between two sessions, ms. Nodes connect 20 a second unless they are told otherwise. */
export const handOverIntervalMs = 50;
/** Time limit of one hand-over. A session whose store does not answer is claimed by the other nodes later. */
export const handOverLimitMs = 10_000;

/** Time for sessions that this node takes on at the moment. */
const loadLimitMs = 2_000;

/** Dependencies of handing over. */
export interface HandOverOptions {
  readonly placement: Pick<Placement, "self" | "nodes" | "handOver">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Time between two connections that a node opens, ms. The other nodes are taken to have the same. */
  readonly connectIntervalMs: number;
}

/**
 * Gives the sessions that run here to the other nodes, no faster than one node connects them, so that none waits there. Returns the number
 * of those given away. Ends early if no other node takes sessions. Never rejects for a single session.
 */
export async function handOverAll(
  runners: readonly Promise<SessionRunner>[],
  { placement, clock, logger, connectIntervalMs }: HandOverOptions,
): Promise<number> {
  const successors = new Successors(placement);
  const intervalMs = Math.max(handOverIntervalMs, connectIntervalMs);
  const handOver = (runner: SessionRunner, to: string) =>
    runner.handOver(placement, to).catch((error: unknown) => {
      logger.warn({ err: error }, "a session could not be handed over; another node claims it later");
      return false;
    });
  const works: Promise<boolean | undefined>[] = [];
  let nextMs = clock.nowMs();
  for (const runner of await loaded(runners, clock)) {
    await sleepUntil(clock, nextMs);
    const successor = await successors.next(runner.weight);
    if (successor === undefined) break;
    nextMs = Math.max(nextMs, clock.nowMs() - intervalMs) + intervalMs;
    works.push(awaitWithin(clock, handOverLimitMs, handOver(runner, successor)));
  }
  return (await Promise.all(works)).filter(Boolean).length;
}

/** Returns the runners with something to run. A session at rest costs nobody a connection: its lease is free when this node ends. */
async function loaded(runners: readonly Promise<SessionRunner>[], clock: Clock): Promise<SessionRunner[]> {
  const loading = runners.map((runner) => awaitWithin(clock, loadLimitMs, runner).catch(() => undefined));
  return (await Promise.all(loading)).flatMap((runner) => (runner && !runner.isAtRest ? [runner] : []));
}

/** The nodes that take the sessions of this one, each session by the loads as they will be. */
class Successors {
  readonly #placement: HandOverOptions["placement"];
  /** Loads when the nodes were seen first, and the weights given since: a node tells of them seconds later. */
  readonly #loads = new Map<string, number>();

  constructor(placement: HandOverOptions["placement"]) {
    this.#placement = placement;
  }

  /** Returns the node for a session of this weight; undefined if no node takes sessions. */
  async next(weight: number): Promise<string | undefined> {
    const nodes = (await this.#placement.nodes()).map((node) => ({ ...node, load: this.#loadOf(node) }));
    const name = chooseSuccessor(this.#placement.self, nodes);
    if (name !== undefined) this.#loads.set(name, (this.#loads.get(name) ?? 0) + weight);
    return name;
  }

  #loadOf({ name, load }: Pick<ClusterNode, "name" | "load">): number {
    const assumed = this.#loads.get(name) ?? load;
    this.#loads.set(name, assumed);
    return assumed;
  }
}

function sleepUntil(clock: Clock, atMs: number): Promise<void> | undefined {
  const delayMs = atMs - clock.nowMs();
  return delayMs > 0 ? new Promise<void>((resolve) => clock.schedule(delayMs, resolve)) : undefined;
}
