import { setTimeout as delay } from "node:timers/promises";
import { createSeededRandom } from "../support/seeded-random.ts";
import { Crowd } from "./crowd.ts";
import { carryOut, type PastFault, planFaults } from "./faults.ts";
import { describe, judge, missingMessages } from "./judges.ts";
import { Rig } from "./rig.ts";
import { Witness } from "./witness.ts";

/** Options of a run. */
export interface RunOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly sessions: number;
  readonly faults: number;
  /** Factor of the cluster's times; 1 for the real ones. */
  readonly timeScale: number;
  /** True if every node answers for every session. */
  readonly anyNode: boolean;
}

/** Outcome of a run. */
export interface RunReport {
  readonly seed: number;
  /** A sentence for each promise that was broken. */
  readonly broken: readonly string[];
  readonly faults: readonly PastFault[];
  readonly messages: number;
  readonly conflicts: number;
  /** Deliveries that came twice. */
  readonly repeats: number;
  readonly answers: ReadonlyMap<string, number>;
  /** From each SIGKILL of a node to the session's next login, ms. */
  readonly killGapsMs: readonly number[];
  /** From the end of the last fault until all sessions work, ms. */
  readonly restMs: number;
  /** Lines of the nodes' logs, each with the node's name. */
  readonly log: readonly string[];
}

/** Time at a time scale of 1 in which all sessions work again after the last fault, ms. A paused machine takes its own time beside it. */
const restLimitMs = 30_000;

/** Lets the faults of a seed happen to a cluster under traffic, and judges it. */
export async function runNemesis(options: RunOptions): Promise<RunReport> {
  const random = createSeededRandom(options.seed);
  const plan = planFaults(random, options.faults, options.nodes);
  await using rig = await Rig.open(options);
  const witness = new Witness(rig.whatsapp);
  const crowd = await Crowd.open(rig, createSeededRandom(options.seed + 1), options.sessions, options.anyNode);
  const ending = new AbortController();
  const stirring = Promise.all([crowd.traffic(ending.signal), crowd.command(ending.signal)]);
  const faults: PastFault[] = [];
  const broken: string[] = [];
  let restMs = Number.NaN;
  try {
    await carryOut(rig, plan, faults);
    ending.abort();
    await stirring;
    const startMs = performance.now();
    await crowd.comeToRest(restLimitMs);
    restMs = performance.now() - startMs;
    const endMs = performance.now() + restLimitMs;
    while (missingMessages({ rig, crowd }).length > 0 && performance.now() < endMs) await delay(50);
    broken.push(...(await judge({ rig, crowd, witness, faults })));
  } catch (error) {
    broken.push(`${error instanceof Error ? error.message : error}; ${describe(faults)}`);
  } finally {
    ending.abort();
    await stirring;
  }
  const killGapsMs = faults
    .filter(({ kind }) => kind === "kill")
    .flatMap(({ node, startMs }) => {
      const struck = witness.gaps.filter((gap) => gap.node === node && Math.abs(gap.startMs - startMs) < 500);
      return struck.map((gap) => gap.endMs - startMs);
    });
  const ids = rig.hook.taken.map(({ body }) => body.id);
  return {
    seed: options.seed,
    broken,
    faults,
    messages: crowd.sent.size,
    conflicts: witness.conflicts.length,
    repeats: ids.length - new Set(ids).size,
    answers: crowd.answers,
    killGapsMs,
    restMs,
    log: rig.nodes.flatMap(({ name, process }) => process.log.map((line) => `${name} ${line}`)),
  };
}
