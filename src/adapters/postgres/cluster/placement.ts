import type { ClusterNode, GivenSession, Owner, Placement } from "../../../ports/cluster.ts";
import type { Lease } from "../../../ports/sessions.ts";
import type { Ownership } from "../../embedded/ownership.ts";
import type { Reads } from "../store/reads.ts";
import { fromStoredText, toStoredText } from "../store/text.ts";
import type { Writers } from "../writers.ts";
import type { ArrivalQueue } from "./arrivals.ts";
import type { Claims } from "./claims.ts";
import type { Leases } from "./leases.ts";
import type { Membership } from "./membership.ts";
import { type NodeRow, nodeColumns, nodeOf } from "./node-row.ts";
import { RecentOwners } from "./recent-owners.ts";

interface OwnerRow extends NodeRow, Record<string, unknown> {
  readonly is_bound: boolean;
}

/** Options of a placement. */
export interface PlacementOptions {
  readonly membership: Membership;
  readonly leases: Leases;
  readonly claims: Claims;
  readonly arrivals: ArrivalQueue;
  readonly ownership: Ownership;
  readonly writers: Writers;
  readonly reads: Reads;
  /** A session was released to a node. */
  onGiven(given: GivenSession): void;
}

/** The leases in the database as the nodes' agreement on who runs which session. */
export class PostgresPlacement implements Placement {
  readonly #options: PlacementOptions;
  readonly #recent = new RecentOwners();

  constructor(options: PlacementOptions) {
    this.#options = options;
  }

  get self(): string {
    return this.#options.membership.name;
  }

  async ownerOf(session: string, mayBeOld = false): Promise<Owner> {
    const { leases, membership, reads } = this.#options;
    if (leases.has(session)) return { kind: "here" };
    const recent = mayBeOld ? this.#recentOwnerOf(session) : undefined;
    if (recent) return recent;
    const [row] = await reads.query<OwnerRow>(
      `SELECT ${nodeColumns}, is_bound FROM sessiond.node JOIN (
        SELECT coalesce(node, home) AS owner, home IS NOT NULL AS is_bound FROM sessiond.lease WHERE session = $1
      ) AS lease ON id = owner`,
      [toStoredText(session)],
    );
    const isOther = row !== undefined && row.id !== membership.life.node;
    this.#recent.set(session, isOther ? { nodeId: row.id, isBound: row.is_bound } : undefined);
    if (!row) return { kind: "none" };
    if (!isOther) return { kind: "here" };
    return { kind: "node", node: nodeOf(row), isBound: row.is_bound };
  }

  #recentOwnerOf(session: string): Owner | undefined {
    const found = this.#recent.get(session);
    const row = found && this.#options.membership.rows.find(({ id, fenced }) => id === found.nodeId && !fenced);
    return row && { kind: "node", node: nodeOf(row), isBound: found.isBound };
  }

  async ownersOf(sessions: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const { leases, membership, reads } = this.#options;
    const owners = new Map<string, string>();
    const others: string[] = [];
    for (const session of sessions) {
      if (leases.has(session)) owners.set(session, membership.name);
      else others.push(toStoredText(session));
    }
    // Where there has never been another node, sessions are shown without the database, also while it is away.
    if (others.length === 0 || membership.rows.length === 1) return owners;
    const rows = await reads.query<{ session: string; name: string }>(
      `SELECT session, name FROM sessiond.lease JOIN sessiond.node ON id = coalesce(node, home)
      WHERE session = ANY($1::text[])`,
      [others],
    );
    for (const { session, name } of rows) owners.set(fromStoredText(session), fromStoredText(name));
    return owners;
  }

  async nodes(): Promise<readonly ClusterNode[]> {
    const { membership } = this.#options;
    const rows = membership.rows.length > 0 ? membership.rows : await membership.read();
    return rows.map(nodeOf);
  }

  arrivals(signal: AbortSignal): AsyncIterable<string> {
    return this.#options.arrivals.read(signal);
  }

  drain(options?: { readonly returns: boolean }): Promise<void> {
    return this.#options.membership.drain(options?.returns ?? false);
  }

  async handOver(lease: Lease, to = this.#roomiest()): Promise<void> {
    const { claims, leases, ownership, writers } = this.#options;
    const { session } = lease;
    if (!ownership.holds(lease)) return;
    ownership.release(lease);
    this.#options.arrivals.delete(session);
    try {
      await leases.leave(session, async ({ epoch, need }) => {
        // Writes that were accepted come first; later ones are refused.
        await Promise.all([writers.log.flushed(), writers.data.flushed()]);
        await this.#giveTo(session, epoch, need.needsOwner || to !== undefined, to);
      });
      if (to !== undefined) this.#options.onGiven({ session, node: to });
    } catch (error) {
      // It may still be this node's.
      claims.recall().catch(() => {});
      throw error;
    }
  }

  async #giveTo(session: string, epoch: bigint, needsOwner: boolean, to: string | undefined): Promise<void> {
    const { membership, reads } = this.#options;
    await reads.query(
      `UPDATE sessiond.lease SET node = NULL, needs_owner = $4, target = (
        SELECT id FROM sessiond.node WHERE name = $5 AND NOT fenced AND NOT draining
      ) WHERE session = $1 AND node = $2 AND epoch = $3`,
      [toStoredText(session), membership.life.node, epoch, needsOwner, to === undefined ? null : toStoredText(to)],
    );
  }

  /** Returns the name of the other node that is furthest from its capacity; undefined if there is none that takes sessions. */
  #roomiest(): string | undefined {
    const { membership } = this.#options;
    const fill = ({ load, capacity }: ClusterNode) => load / Math.max(1, capacity);
    const others = membership.rows
      .map(nodeOf)
      .filter(({ name, isAlive, isDraining }) => name !== membership.name && isAlive && !isDraining);
    return others.sort((a, b) => fill(a) - fill(b))[0]?.name;
  }
}
