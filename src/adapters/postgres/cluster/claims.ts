import type { Logger } from "../../../ports/system.ts";
import type { Connection } from "../store/connection.ts";
import { isTransient, sqlStateOf, takenOver } from "../store/failures.ts";
import type { NodeLife } from "../store/lane.ts";
import type { Reads } from "../store/reads.ts";
import { fromStoredText } from "../store/text.ts";
import type { ArrivalQueue } from "./arrivals.ts";
import { fairRoom, type ShareTaker } from "./fair-share.ts";
import type { LeaseRow, Leases } from "./leases.ts";
import type { Membership } from "./membership.ts";
import type { NodeRow } from "./node-row.ts";

/** Options of claims. */
export interface ClaimsOptions {
  readonly membership: Membership;
  readonly leases: Leases;
  readonly arrivals: ArrivalQueue;
  /** A connection beside that of the beats, as it may have to wait for the writes of another node. */
  readonly connection: Connection;
  readonly upkeep: Reads;
  readonly logger: Logger | undefined;
}

const leaseColumns = "session, epoch, needs_owner, weight, home";
const unlimited = 2_147_483_647;

/** Takes the sessions of nodes that are gone, and those that have no owner and need one. */
export class Claims {
  readonly #options: ClaimsOptions;
  #working: Promise<void> | undefined;
  /** Number of reads in a row that have shown sessions without an owner. */
  #rounds = 0;

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** Takes in the sessions that the database has for this node, then its share of those without an owner. */
  async begin(): Promise<void> {
    await this.recall();
    await this.#claim(await this.#options.membership.read(), unlimited).catch((error: unknown) => {
      // The next read of the nodes shows what is left to be done.
      if (!isTransient(error)) throw error;
    });
    await this.#options.connection.rest();
  }

  /** Takes in the sessions that the database has for this node and that nothing here knows of. After a failure the next look tries again. */
  async recall(): Promise<void> {
    const { membership, leases, upkeep } = this.#options;
    const { life } = membership;
    // Those that are in use now may be given away before the answer comes.
    const known = leases.inUse();
    leases.isInDoubt = false;
    try {
      // A claim whose answer was lost may still be at work. It holds the node until it is done.
      await upkeep.query("SELECT sessiond.hold_node_v1($1, $2)", [life.node, life.epoch]);
      const rows = await upkeep.query<LeaseRow>(`SELECT ${leaseColumns} FROM sessiond.lease WHERE node = $1`, [
        life.node,
      ]);
      await this.#adopt(
        rows.filter(({ session }) => !known.has(fromStoredText(session))),
        life,
      );
    } catch (error) {
      leases.isInDoubt = true;
      if (sqlStateOf(error) !== takenOver) throw error;
      membership.lose(life);
    }
  }

  /** Called after each read of the nodes. Does what it shows to be done, unless it is being done. */
  observed(silent: readonly NodeRow[], hasOpen: boolean): void {
    this.#rounds = hasOpen ? this.#rounds + 1 : 0;
    if (this.#working || (silent.length === 0 && !hasOpen && !this.#options.leases.isInDoubt)) return;
    this.#working = this.#work(silent)
      .catch((error: unknown) => {
        this.#options.logger?.error({ err: error }, "sessions could not be taken from a node; trying again");
      })
      .finally(() => {
        this.#working = undefined;
      });
  }

  /** Resolves when nothing is being done. */
  async idle(): Promise<void> {
    await this.#working;
  }

  async #work(silent: readonly NodeRow[]): Promise<void> {
    const { membership, connection, upkeep, logger } = this.#options;
    for (const { id, name, beat } of silent) {
      if (membership.standing.isFrozen) return;
      const [row] = await upkeep.query<{ fenced: boolean }>("SELECT sessiond.fence_node_v1($1, $2) AS fenced", [
        id,
        beat,
      ]);
      if (row?.fenced) logger?.warn({ node: fromStoredText(name) }, "a node is silent; its sessions go to other nodes");
    }
    if (this.#options.leases.isInDoubt) await this.recall();
    const gone = new Set(silent.map(({ id }) => id));
    await this.#claim(
      membership.rows.filter(({ id }) => !gone.has(id)),
      this.#rounds,
    );
    await connection.rest();
  }

  /** Claims this node's share of the sessions without an owner. */
  async #claim(nodes: readonly NodeRow[], rounds: number): Promise<void> {
    const { membership, leases, connection } = this.#options;
    const { life, standing, isDraining } = membership;
    if (standing.isFrozen || isDraining) return;
    const takers = nodes.filter(({ id, fenced, draining }) => id === life.node || (!fenced && !draining));
    const room = takers.length === 1 ? unlimited : await this.#room(takers, life, rounds);
    // Those meant for this node come also without room.
    const values = [life.node, life.epoch, Math.max(1, room), takers.map(({ id }) => BigInt(id))];
    // Not repeated: the sessions of a claim whose answer is lost are no longer open to another one.
    const rows = await connection
      .query<LeaseRow>(`SELECT ${leaseColumns} FROM sessiond.claim_v1($1, $2, $3, $4)`, values)
      .catch((error: unknown) => {
        leases.isInDoubt = true;
        if (sqlStateOf(error) !== takenOver) throw error;
        membership.lose(life);
        return [];
      });
    await this.#adopt(rows, life);
  }

  async #room(takers: readonly NodeRow[], life: NodeLife, rounds: number): Promise<number> {
    const rows = await this.#options.upkeep.query<{ node: number | null; weight: bigint }>(
      "SELECT node, sum(weight) AS weight FROM sessiond.lease WHERE needs_owner GROUP BY node",
    );
    const weights = new Map(rows.map(({ node, weight }) => [node, Number(weight)]));
    const takerOf = ({ id, capacity }: NodeRow): ShareTaker => ({ capacity, load: weights.get(id) ?? 0 });
    const own = takers.find(({ id }) => id === life.node);
    const self = own ? takerOf(own) : { capacity: 1, load: 0 };
    const others = takers.filter(({ id }) => id !== life.node).map(takerOf);
    return fairRoom(self, others, weights.get(null) ?? 0, rounds);
  }

  async #adopt(rows: readonly LeaseRow[], life: NodeLife): Promise<void> {
    const { leases, arrivals } = this.#options;
    if (rows.length === 0) return;
    const needy = rows.filter(({ session, needs_owner }) => needs_owner && !leases.has(fromStoredText(session)));
    await leases.adopt(rows, life);
    arrivals.add(needy.map(({ session }) => fromStoredText(session)));
  }
}
