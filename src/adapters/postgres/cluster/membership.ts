import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { NodeAddress } from "../../../ports/cluster.ts";
import type { Logger } from "../../../ports/system.ts";
import type { Connection } from "../store/connection.ts";
import { isTransient } from "../store/failures.ts";
import type { NodeLife } from "../store/lane.ts";
import { fromStoredText, toStoredText } from "../store/text.ts";
import { type NodeRow, nodeColumns } from "./node-row.ts";
import { PeerWatch } from "./peer-watch.ts";
import { NodeStanding } from "./standing.ts";
import type { ClusterTimings } from "./timings.ts";

/** A node as it describes itself. */
export interface NodeIdentity {
  readonly name: string;
  readonly version: string;
  /** Name of what it runs beside the version; empty for none. */
  readonly build: string;
  /** Sum of the weights of sessions that it should run at most. */
  readonly capacity: number;
}

/** Options of a membership. */
export interface MembershipOptions {
  readonly identity: NodeIdentity;
  readonly timings: ClusterTimings;
  /** Connection that only beats and reads those of others, so that nothing delays it. */
  readonly connection: Connection;
  readonly logger: Logger | undefined;
}

/** The parts of a backend that depend on this node's membership. */
export interface MemberHandlers {
  /** Returns the sum of the weights of the sessions that this node runs. */
  load(): number;
  /** All sessions are taken from this node. Their owners stop before this returns. */
  lost(): void;
  /** A new life has begun, and all nodes know of it. The node goes on with the sessions that it still owns. */
  resumed(): void;
  /** The node is no longer frozen, in the same life. */
  thawed(): void;
  /** The nodes were read, and the log's end. `hasOthers`: true if another node may write. */
  met(hasOthers: boolean, headSeq: bigint): void;
  /** The nodes were read. `silent`: those whose sessions are to be taken. `hasOpen`: true if sessions wait for an owner. */
  observed(silent: readonly NodeRow[], hasOpen: boolean): void;
}

interface ObservedRow extends NodeRow, Record<string, unknown> {
  readonly has_beaten: boolean;
  readonly has_open: boolean;
  readonly generation: bigint;
  readonly head: bigint;
}

const beatStatement = `
  WITH own AS (
    UPDATE sessiond.node SET beat = beat + 1, load = $3, backend = pg_backend_pid()
    WHERE $4 AND id = $1 AND epoch = $2 AND NOT fenced RETURNING id
  )
  SELECT ${nodeColumns}, EXISTS (SELECT FROM own) AS has_beaten, EXISTS (
    SELECT FROM sessiond.lease WHERE node IS NULL AND needs_owner AND (home IS NULL OR home = $1)
  ) AS has_open, (SELECT generation FROM sessiond.cluster) AS generation,
  (SELECT greatest(floor, (SELECT max(seq) FROM sessiond.event)) FROM sessiond.log_head) AS head
  FROM sessiond.node ORDER BY name`;
/** Number of reads in an interval while a new life waits for the other nodes. */
const joiningReads = 10;
/** Number of reads in an interval while they fail, so that a freeze does not outlast the outage. */
const failingReads = 4;

/** This node's place among the nodes: it beats, watches the others, and begins a new life when its sessions were taken from it. */
export class Membership {
  readonly standing: NodeStanding;
  readonly #options: MembershipOptions;
  readonly #watch: PeerWatch;
  readonly #process = randomUUID();
  readonly #joinWatch: PeerWatch;
  readonly #stopping = new AbortController();
  #life: NodeLife = { node: 0, epoch: 0n };
  #state: "member" | "lost" | "replaced" = "member";
  #handlers: MemberHandlers | undefined;
  /** The generation in which the present life began, and the one that the other nodes know this one to have seen. */
  #generation = 0n;
  #seen = 0n;
  #isAdmitted = false;
  #admission = Promise.withResolvers<void>();
  /** Send time of the last beat that was acknowledged, or of the statement that has begun this life. */
  #acknowledgedMs = 0;
  #isDraining = false;
  #returns = false;
  #beatMs = Number.NEGATIVE_INFINITY;
  #rows: readonly NodeRow[] = [];
  /** True if the last read has failed. */
  #isFailing = false;
  #woken = Promise.withResolvers<void>();
  #running: Promise<void> = Promise.resolve();

  constructor(options: MembershipOptions) {
    this.#options = options;
    const { timings } = options;
    this.#watch = new PeerWatch(timings);
    this.#joinWatch = new PeerWatch({ ...timings, fenceMs: timings.freezeMs, returnMs: 0 });
    this.standing = new NodeStanding({ timings, expired: () => this.lose(this.#life) });
  }

  /** The node's present life. Writes of an earlier one are refused. */
  get life(): NodeLife {
    return this.#life;
  }

  /** Returns true if a life is the present one, and nothing is known against it. */
  isCurrent(life: NodeLife): boolean {
    return this.#state === "member" && life === this.#life;
  }

  /** Name of this node. */
  get name(): string {
    return this.#options.identity.name;
  }

  /** The nodes as read last, by name. */
  get rows(): readonly NodeRow[] {
    return this.#rows;
  }

  /** True if no living node has a smaller name. */
  get isFirst(): boolean {
    return this.#rows.find(({ fenced, returns }) => !fenced && !returns)?.id === this.#life.node;
  }

  /** Returns the name of a node. */
  async nameOf(id: number): Promise<string> {
    const known = this.#rows.find((row) => row.id === id) ?? (await this.read()).find((row) => row.id === id);
    return known ? fromStoredText(known.name) : "";
  }

  /** Reads all nodes, by name. */
  read(): Promise<NodeRow[]> {
    return this.#options.connection.query<NodeRow & Record<string, unknown>>(
      `SELECT ${nodeColumns} FROM sessiond.node ORDER BY name`,
    );
  }

  /** Begins the first life. Writes of a former process of this name are refused from then on. */
  async join(): Promise<NodeLife> {
    if (!(await this.#take(false))) throw new Error("the node could not be taken");
    return this.#life;
  }

  /** Resolves once all nodes know of this one. It is frozen until then. */
  admitted(): Promise<void> {
    return this.#admission.promise;
  }

  /** Begins to beat. Called once, soon after `join`. */
  start(handlers: MemberHandlers): void {
    this.#handlers = handlers;
    this.#running = this.#run();
  }

  /** Gives up a life, and with it all sessions, unless it is over already. The next one begins as soon as the store can be reached. */
  lose(life: NodeLife): void {
    if (!this.isCurrent(life)) return;
    this.#state = "lost";
    this.#options.logger?.error(
      { node: this.name, epoch: Number(life.epoch) },
      "this node could not reach the store for too long, or another process goes by its name; its sessions are given up",
    );
    this.standing.lose();
    this.#handlers?.lost();
    this.wake();
  }

  /** Reads the nodes now, and not at the next interval. */
  wake(): void {
    this.#woken.resolve();
  }

  /** Lets the other nodes know where this one listens. */
  async announce(address: NodeAddress): Promise<void> {
    const { connection } = this.#options;
    const url =
      "url" in address ? address.url : `${address.scheme}://${await connection.localAddress()}:${address.port}`;
    await connection.query("UPDATE sessiond.node SET url = $3 WHERE id = $1 AND epoch = $2", [
      this.#life.node,
      this.#life.epoch,
      url,
    ]);
  }

  /** Takes no more sessions. With `returns`, those of this node wait for its next start for some time. */
  async drain(returns: boolean): Promise<void> {
    this.#returns = returns;
    const { node, epoch } = this.#life;
    await this.#options.connection.query("UPDATE sessiond.node SET draining = true WHERE id = $1 AND epoch = $2", [
      node,
      epoch,
    ]);
    this.#isDraining = true;
  }

  /** True once the node takes no more sessions. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Ends the life in order, if the store can be reached. Idempotent. */
  async leave(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    const isMember = this.#state === "member" && (!this.#isAdmitted || !this.standing.isFrozen);
    this.#stopping.abort();
    this.wake();
    this.standing.close();
    if (!isMember) return;
    await this.#running;
    const { node, epoch } = this.#life;
    await this.#options.connection
      .query("SELECT sessiond.leave_v1($1, $2, $3)", [node, epoch, this.#returns])
      .catch(() => {});
  }

  async #run(): Promise<void> {
    const { readMs } = this.#options.timings;
    const { signal } = this.#stopping;
    while (!signal.aborted && this.#state !== "replaced") {
      const startedMs = performance.now();
      try {
        if (this.#state === "lost") await this.#rejoin();
        else await this.#read();
        this.#isFailing = false;
      } catch (error) {
        this.#isFailing = true;
        if (!signal.aborted && !isTransient(error))
          this.#options.logger?.error({ err: error }, "the nodes could not be read");
      }
      const waiting = new AbortController();
      const restMs = Math.max(0, startedMs + readMs / this.#readsPerInterval() - performance.now());
      await Promise.race([this.#woken.promise, pause(restMs, undefined, { signal: waiting.signal }).catch(() => {})]);
      waiting.abort();
      this.#woken = Promise.withResolvers();
    }
  }

  #readsPerInterval(): number {
    if (!this.#isAdmitted) return joiningReads;
    return this.#isFailing ? failingReads : 1;
  }

  async #read(): Promise<void> {
    const { connection, timings } = this.#options;
    const life = this.#life;
    const sentMs = performance.now();
    const beats = sentMs - this.#beatMs >= timings.beatMs - timings.readMs / 2;
    const load = this.#handlers?.load() ?? 0;
    const rows = await connection.query<ObservedRow>(beatStatement, [life.node, life.epoch, load, beats]);
    const answeredMs = performance.now();
    // Not earlier: a beat that has failed is sent again at the next read.
    if (beats) this.#beatMs = sentMs;
    // Lost meanwhile by a write that was refused.
    if (!this.isCurrent(life)) return;
    this.#rows = rows;
    const own = rows.find(({ id }) => id === life.node);
    if (!own || own.fenced || own.epoch !== life.epoch || (beats && !own.has_beaten)) {
      this.lose(life);
      return;
    }
    const peers = rows.filter(({ id, fenced }) => id !== life.node && !fenced);
    const silent = this.#watch.observe(peers, sentMs, answeredMs);
    if (beats) this.#acknowledgedMs = sentMs;
    this.#handlers?.met(peers.length > 0, own.head);
    if (!this.#isAdmitted) this.#admit(peers, this.#joinWatch.observe(peers, sentMs, answeredMs));
    else if (beats) this.#acknowledgeBeat(sentMs);
    await this.#acknowledge(own.generation, life);
    if (!this.standing.isFrozen) this.#handlers?.observed(silent, own.has_open);
  }

  #acknowledgeBeat(sentMs: number): void {
    const wasFrozen = this.standing.isFrozen;
    this.standing.acknowledge(sentMs);
    if (wasFrozen && !this.standing.isFrozen) this.#handlers?.thawed();
  }

  /** Ends the wait of a new life, if all other nodes know of it or are frozen. */
  #admit(peers: readonly NodeRow[], silent: readonly NodeRow[]): void {
    const unaware = peers.filter((peer) => peer.seen < this.#generation && !silent.includes(peer));
    if (unaware.length > 0) return;
    this.#isAdmitted = true;
    this.standing.begin(this.#acknowledgedMs);
    this.#admission.resolve();
  }

  /** Lets nodes that have come know that this one reckons with them from now on. */
  async #acknowledge(generation: bigint, { node, epoch }: NodeLife): Promise<void> {
    if (generation === this.#seen) return;
    await this.#options.connection.query("UPDATE sessiond.node SET seen = $3 WHERE id = $1 AND epoch = $2", [
      node,
      epoch,
      generation,
    ]);
    this.#seen = generation;
  }

  async #rejoin(): Promise<void> {
    const { logger } = this.#options;
    if (await this.#take(true)) {
      logger?.info({ node: this.name, epoch: Number(this.#life.epoch) }, "this node takes part again");
      void this.admitted().then(() => this.#handlers?.resumed());
      return;
    }
    this.#state = "replaced";
    logger?.error({ node: this.name }, "another process has taken over this node; nothing is written here any more");
  }

  async #take(isAgain: boolean): Promise<boolean> {
    const { connection, identity } = this.#options;
    const { name, version, build, capacity } = identity;
    const sentMs = performance.now();
    const [life] = await connection.query<NodeLife & { generation: bigint }>(
      "SELECT node, epoch, generation FROM sessiond.take_node_v2($1, $2, $3, $4, $5, $6)",
      [toStoredText(name), version, build, capacity, this.#process, isAgain],
    );
    if (!life) return false;
    this.#life = { node: life.node, epoch: life.epoch };
    this.#state = "member";
    this.#beatMs = sentMs;
    this.#watch.clear();
    this.#joinWatch.clear();
    this.#generation = life.generation;
    this.#seen = 0n;
    this.#acknowledgedMs = sentMs;
    this.#isAdmitted = false;
    this.#admission = Promise.withResolvers();
    return true;
  }
}
