import { setTimeout as delay } from "node:timers/promises";
import { createSeededRandom } from "../support/seeded-random.ts";
import { Crowd } from "./crowd.ts";
import { carryOut, type PastFault, planFaults } from "./faults.ts";
import { Follower, heartbeatMs } from "./follower.ts";
import { describe, judge, missingMessages } from "./judges.ts";
import { Rig } from "./rig.ts";
import { Witness } from "./witness.ts";

/** Size of a nemesis. */
export interface NemesisOptions {
  readonly nodes: number;
  readonly sessions: number;
  /** Number of faults in each run. */
  readonly faults: number;
  /** Factor of the cluster's times; 1 for the real ones. */
  readonly timeScale: number;
  /** True if clients call any node; false if they look for the owner. */
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
  /** Events that clients of streams have read, and the times that they went to another node. */
  readonly read: number;
  readonly moves: number;
  /** Answers of commands, by command and status. */
  readonly answers: readonly (readonly [answer: string, count: number])[];
  /** From each SIGKILL of a node to the session's next login, ms. */
  readonly killGapsMs: readonly number[];
  /** From the end of the last fault until all sessions work, ms; undefined if they never did. */
  readonly restMs: number | undefined;
  /** Lines of the nodes' logs, each with the node's name. */
  readonly log: readonly string[];
}

/** Time at a time scale of 1 in which all sessions work again after the last fault, ms. A paused machine takes its own time beside it. */
const restLimitMs = 180_000;
/** Clients that read streams. */
const followerCount = 2;
const followerOffset = 3_000_000_000;

/** A cluster under traffic, to which faults happen. Sessions and processes go on from one run to the next. */
export class Nemesis implements AsyncDisposable {
  readonly #options: NemesisOptions;
  readonly #rig: Rig;
  readonly #witness: Witness;
  readonly #crowd: Crowd;
  readonly #tell: (stage: string) => void;

  private constructor(
    options: NemesisOptions,
    { rig, witness, crowd }: { readonly rig: Rig; readonly witness: Witness; readonly crowd: Crowd },
    tell: (stage: string) => void,
  ) {
    this.#options = options;
    this.#tell = tell;
    this.#rig = rig;
    this.#witness = witness;
    this.#crowd = crowd;
  }

  /** `tell` is called with what the nemesis is about to do. */
  static async open(options: NemesisOptions, tell: (stage: string) => void = () => {}): Promise<Nemesis> {
    await using stack = new AsyncDisposableStack();
    const env = { SESSIOND_STREAM_HEARTBEAT_SECONDS: String(heartbeatMs / 1_000) };
    const rig = stack.use(await Rig.open({ ...options, env }));
    const witness = new Witness(rig.whatsapp);
    const crowd = await Crowd.open(rig, options.sessions, options.anyNode);
    stack.move();
    return new Nemesis(options, { rig, witness, crowd }, tell);
  }

  /** Lets the faults of a seed happen, and judges the cluster. After a broken promise it cannot be used for another run. */
  async run(seed: number): Promise<RunReport> {
    const rig = this.#rig;
    const crowd = this.#crowd;
    const witness = this.#witness;
    const plan = planFaults(createSeededRandom(seed), this.#options.faults, this.#options.nodes);
    const startSeq = await this.#begin(seed);
    const followers = Array.from(
      { length: followerCount },
      (_, i) => new Follower(rig, createSeededRandom(seed + followerOffset + i), startSeq),
    );
    const [ending, leaving] = [new AbortController(), new AbortController()];
    const following = Promise.all(followers.map((follower) => follower.follow(leaving.signal)));
    const { signal } = ending;
    const stirring = Promise.all([crowd.traffic(signal), crowd.tellReceipts(signal), crowd.command(signal)]);
    const faults: PastFault[] = [];
    const broken: string[] = [];
    let restMs: number | undefined;
    const tell = (what: string) => this.#tell(`seed ${seed}: ${what}`);
    try {
      tell("carrying out the faults");
      await carryOut(rig, plan, faults);
      ending.abort();
      tell("waiting for the last commands");
      await stirring;
      tell("coming to rest");
      const startMs = performance.now();
      await crowd.comeToRest(restLimitMs);
      restMs = performance.now() - startMs;
      tell("waiting for webhooks");
      await this.#waitFor(() => missingMessages({ rig, crowd }).length === 0);
      const endSeq = (await rig.audit.events()).at(-1)?.seq ?? 0n;
      tell("waiting for clients of streams");
      await this.#waitFor(() => followers.every(({ cursor }) => cursor >= endSeq));
      leaving.abort();
      await following;
      tell("judging");
      broken.push(...(await judge({ rig, crowd, witness, followers, endSeq, faults })));
    } catch (error) {
      broken.push(`${error instanceof Error ? error.message : error}; ${describe(faults)}`);
    } finally {
      ending.abort();
      leaving.abort();
      await Promise.all([stirring, following]);
    }
    const killGapsMs = faults
      .filter(({ kind }) => kind === "kill")
      .flatMap(({ node, startMs }) => {
        const struck = witness.gaps.filter((gap) => gap.node === node && Math.abs(gap.startMs - startMs) < 500);
        return struck.map((gap) => gap.endMs - startMs);
      });
    const ids = rig.hook.taken.map(({ body }) => body.id);
    const total = (count: (follower: Follower) => number) => followers.reduce((sum, one) => sum + count(one), 0);
    return {
      seed,
      broken,
      faults,
      messages: crowd.sent.size,
      conflicts: witness.conflicts.length,
      repeats: ids.length - new Set(ids).size,
      read: total(({ events }) => events.length),
      moves: total(({ path }) => path.filter((name, i) => i > 0 && name !== path[i - 1]).length),
      answers: [...crowd.answers],
      killGapsMs,
      restMs,
      log:
        broken.length === 0
          ? []
          : rig.nodes.flatMap(({ name, process }) => process.log.map((line) => `${name} ${line}`)),
    };
  }

  /** Forgets earlier runs, and returns the log's end. */
  async #begin(seed: number): Promise<bigint> {
    this.#crowd.begin(seed);
    this.#witness.clear();
    await this.#rig.forget();
    return (await this.#rig.audit.events()).at(-1)?.seq ?? 0n;
  }

  async #waitFor(condition: () => boolean): Promise<void> {
    const endMs = performance.now() + restLimitMs;
    while (!condition() && performance.now() < endMs) await delay(50);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#rig[Symbol.asyncDispose]();
  }
}
