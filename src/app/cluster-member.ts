import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import { Session_DesiredState as Desired, type Engine_Kind } from "../../gen/sessiond/v1/session_pb.js";
import { SessionError } from "../domain/errors.ts";
import type { Cluster } from "../ports/cluster.ts";
import type { Sessions } from "../ports/sessions.ts";
import type { Clock, Logger } from "../ports/system.ts";
import { Arrivals } from "./arrivals.ts";
import { type BootChoice, forcedStarts } from "./boot.ts";
import { BootReport } from "./boot-report.ts";
import { handOverAll } from "./hand-over.ts";
import { Rebalancer } from "./rebalancer.ts";
import type { RunnerDeps } from "./runner-deps.ts";
import type { SessionRunner } from "./session-runner.ts";
import { awaitWithin } from "./time-box.ts";

/** Time for the store to take the news that a node stops. */
const announceLimitMs = 5_000;

/** The sessions of this node, as far as the cluster is concerned with them. */
export interface MemberSessions {
  /** Returns true if a session runs here, or is about to. */
  has(session: string): boolean;
  /** Acquires a session and brings it to its desired state. */
  resume(session: string): Promise<unknown>;
  /** Schedules a pending unlink; false if there is none with this id. */
  takeUnlink(id: string): Promise<boolean>;
  start(session: string): Promise<unknown>;
  /** Creates a session and starts it. */
  create(session: string): Promise<unknown>;
  /** The sessions that run here. */
  runners(): readonly Promise<SessionRunner>[];
}

/** Dependencies of a member. */
export interface MemberOptions extends BootChoice {
  readonly cluster: Cluster;
  readonly sessions: Pick<Sessions, "get" | "list" | "acquire">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly gate?: RunnerDeps["gate"];
  readonly engines: RunnerDeps["engines"];
  /** The engine that most sessions have. */
  readonly defaultEngine: Engine_Kind;
}

/** End of a node of a cluster: it gives its sessions to other nodes, or leaves them to its own next start. */
export type Drain = "handoff" | "return";

/** Counts of a node since its start, and its state now. */
export interface MemberCounts {
  readonly owned: number;
  readonly isFrozen: boolean;
  /** Number of sessions that the node was given without a call. */
  readonly given: number;
  /** Number of sessions that were taken from it. */
  readonly lost: number;
  readonly handedOver: number;
}

/** This process as a node of a cluster: takes on sessions, and gives them away when it stops. */
export class ClusterMember {
  readonly #options: MemberOptions;
  readonly #own: MemberSessions;
  readonly #arrivals: Arrivals;
  readonly #rebalancer: Rebalancer;
  #lost = 0;
  #handedOver = 0;
  #keepsLeases = false;
  #report: BootReport | undefined;
  #stopWatching = () => {};

  constructor(options: MemberOptions, own: MemberSessions) {
    this.#options = options;
    this.#own = own;
    const { placement } = options.cluster;
    this.#arrivals = new Arrivals({ ...options, placement, take: (session) => this.#take(session) });
    this.#rebalancer = new Rebalancer({ ...options, runners: () => own.runners() });
  }

  /** True if the leases of this node wait for its next start. */
  get keepsLeases(): boolean {
    return this.#keepsLeases;
  }

  get counts(): MemberCounts {
    return {
      owned: this.#own.runners().length,
      isFrozen: this.#options.cluster.standing.isFrozen,
      given: this.#arrivals.count,
      lost: this.#lost,
      handedOver: this.#handedOver + this.#rebalancer.count,
    };
  }

  /** Begins to take on sessions, and starts those that the configuration names. Never rejects for a single one of them. */
  async start(): Promise<void> {
    const { sessions, logger } = this.#options;
    const preloaded = this.#preload();
    this.#arrivals.start();
    this.#rebalancer.start();
    this.#stopWatching = this.#options.cluster.standing.onFreeze(() => void this.#logFreeze());
    const { stopped, missing } = forcedStarts((await sessions.list()).records, this.#options);
    const attempt = async (session: string, start: () => Promise<unknown>) => {
      await start().catch((error: unknown) => {
        // Another node runs it, has created it first, or deletes it.
        if (error instanceof SessionError) logger.debug({ session, reason: error.reason }, "session not started here");
        else logger.error({ err: error, session }, "a session could not be started");
      });
    };
    await Promise.all([
      ...stopped.map((name) => attempt(name, () => this.#own.start(name))),
      ...missing.map((name) => attempt(name, () => this.#own.create(name))),
      preloaded,
    ]);
  }

  /** Loads the engine beside other nodes: a session that one of them hands over is without a connection meanwhile. Never rejects. */
  async #preload(): Promise<void> {
    const { cluster, engines, defaultEngine, logger } = this.#options;
    try {
      const nodes = await cluster.placement.nodes();
      const hasOthers = nodes.some(({ name, isAlive }) => isAlive && name !== cluster.placement.self);
      if (hasOthers) await engines.get(defaultEngine)?.preload?.();
    } catch (error) {
      logger.debug({ err: error }, "the engine is loaded with the first session");
    }
  }

  /** A session's record was written. */
  note(record: SessionRecord): void {
    this.#report?.note(record);
  }

  /** A session was taken from this node. */
  noteLoss(): void {
    this.#lost += 1;
  }

  /** Takes on no more sessions, and gives away those that can run elsewhere, one by one. To be followed by the end of the node. */
  async drain(mode: Drain): Promise<void> {
    const { cluster, clock, logger, gate } = this.#options;
    const { placement, standing } = cluster;
    void this.#arrivals.stop();
    this.#rebalancer.stop();
    // The others claim what a node that cannot reach the store leaves behind.
    if (standing.isFrozen) return;
    this.#keepsLeases = mode === "return";
    const announced = placement.drain({ returns: mode === "return" }).then(() => true);
    if (!(await awaitWithin(clock, announceLimitMs, announced))) {
      logger.warn({}, "the other nodes could not be told that this one stops: they claim its sessions later");
      return;
    }
    const nodes = (await placement.nodes()).filter(({ name, isAlive, isDraining }) => {
      return name !== placement.self && isAlive && !isDraining;
    });
    if (mode === "return" || nodes.length === 0) return;
    const runners = this.#own.runners();
    logger.info({ sessions: runners.length, nodes: nodes.map(({ name }) => name) }, "handing over sessions");
    const connectIntervalMs = gate?.intervalMs ?? 0;
    this.#handedOver = await handOverAll(runners, { ...this.#options, placement, connectIntervalMs });
    logger.info({ sessions: this.#handedOver }, "sessions handed over");
  }

  /** Takes on no more sessions. Idempotent. */
  async stop(): Promise<void> {
    this.#report?.close();
    this.#rebalancer.stop();
    this.#stopWatching();
    await this.#arrivals.stop();
  }

  /** Tells people why the node stands still, and how that ended. Never rejects. */
  async #logFreeze(): Promise<void> {
    const { cluster, clock, logger } = this.#options;
    const { standing } = cluster;
    const startedAtMs = clock.nowMs();
    const sessions = this.#own.runners().length;
    logger.warn({ sessions }, "the store does not answer: this node sends and acknowledges nothing until it does");
    try {
      await standing.thawed();
      logger.info({ sessions, ms: clock.nowMs() - startedAtMs }, "the store answers again: this node goes on");
    } catch {
      logger.error({ sessions }, "the store did not answer in time: this node has given up its sessions");
    }
  }

  /** Takes on a session, a pending unlink, or the last deliveries of a removed session. */
  async #take(session: string): Promise<void> {
    const { sessions } = this.#options;
    const { record } = await sessions.get(session);
    if (record) {
      this.#expect(record);
      await this.#own.resume(session);
      const { record: resumed } = await sessions.get(session);
      if (resumed) this.note(resumed);
    } else if (!(await this.#own.takeUnlink(session))) {
      // A session of the same name that is being created has acquired it.
      if (!this.#own.has(session)) await sessions.acquire(session);
    }
  }

  #expect({ name, attempt, desiredState }: SessionRecord): void {
    const { clock, logger, restart } = this.#options;
    if (desiredState !== Desired.RUNNING || restart === "none") return;
    if (this.#report && !this.#report.isWritten) this.#report.expect(name, attempt);
    else this.#report = new BootReport(clock, logger, [[name, attempt]]);
  }
}
