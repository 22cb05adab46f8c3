import { StoreUnavailable } from "../../../domain/errors.ts";
import { LeaseLost, OwnedElsewhere } from "../../../ports/sessions.ts";
import { sqlStateOf, takenOver } from "../store/failures.ts";
import type { NodeLife } from "../store/lane.ts";
import type { Operation } from "../store/operation.ts";
import type { Reads } from "../store/reads.ts";
import { fromStoredText, toStoredText } from "../store/text.ts";
import type { Membership } from "./membership.ts";

/** A lease as a statement has returned it to its owner. */
export interface LeaseRow extends Record<string, unknown> {
  readonly session: string;
  readonly epoch: bigint;
  readonly needs_owner: boolean;
  readonly weight: number;
  readonly home: number | null;
}

interface AcquiredRow extends LeaseRow {
  /** Null if it has none, since it is bound to `home`. */
  readonly owner: number | null;
}

/** Facts about a session by which nodes decide who takes it. */
export interface Need {
  readonly needsOwner: boolean;
  readonly weight: number;
  readonly isBound: boolean;
}

interface OwnedLease {
  readonly epoch: bigint;
  /** As stored, or about to be. */
  need: Need;
  /** True if it may not be stored, as the group failed. */
  isUncertain: boolean;
}

/** Options of leases. */
export interface LeasesOptions {
  readonly reads: Reads;
  readonly membership: Membership;
  /** Reads what the database has of sessions into memory, where their owner finds it. */
  load(sessions: readonly string[]): Promise<void>;
  /** Forgets all that `load` has read. */
  forget(session: string): void;
}

const acquireStatement = "SELECT session, epoch, owner, home, needs_owner, weight FROM sessiond.acquire_v1($1, $2, $3)";

/** The sessions that this node owns. Their state in memory is the present one, as no other node writes it. */
export class Leases {
  /** True if the database may have given this node sessions that it has not been told of, or could not read. */
  isInDoubt = false;
  /** Called with sessions that this node has taken, for whatever reason, and that have to run. */
  onNeedy = (_sessions: readonly string[]) => {};
  readonly #options: LeasesOptions;
  readonly #owned = new Map<string, OwnedLease>();
  /** Sessions that are being taken or given away. */
  readonly #moving = new Map<string, Promise<void>>();
  #wanted = new Set<string>();
  #acquiring: Promise<ReadonlyMap<string, OwnedElsewhere>> | undefined;
  /** Resolves when the sessions that are being asked for are taken or refused. */
  #taking: Promise<void> | undefined;

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  /** Returns true if this node owns a session. */
  has(session: string): boolean {
    return this.#owned.has(session);
  }

  /** Returns true if this node owns a session that has to run. */
  isNeedy(session: string): boolean {
    return this.#owned.get(session)?.need.needsOwner ?? false;
  }

  /** Returns the sessions that this node owns, takes or gives away. */
  inUse(): ReadonlySet<string> {
    return new Set([...this.#owned.keys(), ...this.#moving.keys(), ...this.#wanted]);
  }

  /** Sum of the weights of the sessions that need this node. */
  get load(): number {
    let load = 0;
    for (const { need } of this.#owned.values()) if (need.needsOwner) load += need.weight;
    return load;
  }

  /** Returns the epoch under which this node owns a session. Throws LeaseLost if it does not. */
  epochOf(session: string): bigint {
    const owned = this.#owned.get(session);
    if (!owned) throw new LeaseLost(`this node does not own session "${session}"`);
    return owned.epoch;
  }

  /** Takes a session that has no owner. Rejects with OwnedElsewhere if it has one. Costs nothing for sessions that this node owns. */
  async ensure(session: string): Promise<void> {
    while (!this.#owned.has(session)) {
      const moving = this.#moving.get(session);
      if (moving) await moving;
      // All that wait for it are then asked for together: when many come at once, they share the round trips.
      else if (this.#taking) await this.#taking;
      else await this.#acquire(session);
    }
  }

  /** Takes in sessions that the database has given to this node in a life. Resolves when they can be used. */
  async adopt(rows: readonly LeaseRow[], life: NodeLife): Promise<void> {
    await Promise.allSettled(rows.flatMap(({ session }) => this.#moving.get(fromStoredText(session)) ?? []));
    const fresh = rows.filter(({ session }) => !this.#owned.has(fromStoredText(session)));
    const sessions = fresh.map(({ session }) => fromStoredText(session));
    await this.#move(sessions, () => this.#load(fresh, life));
  }

  /** Gives a session away: `leave` lets the database know once nothing of it is being written. */
  async leave(session: string, leave: (lease: { epoch: bigint; need: Need }) => Promise<void>): Promise<void> {
    const owned = this.#owned.get(session);
    if (!owned) return;
    await this.#move([session], async () => {
      this.#drop(session);
      await leave(owned);
    });
  }

  /** Another node owns a session. */
  lose(session: string): void {
    if (this.#owned.has(session)) this.#drop(session);
  }

  /** Other nodes own all sessions. */
  loseAll(): void {
    for (const session of [...this.#owned.keys()]) this.#drop(session);
  }

  /** Returns the operation that stores a change of the facts about an owned session; undefined if nothing changes. */
  stageNeed(session: string, change: Partial<Need>): Operation | undefined {
    const owned = this.#owned.get(session);
    if (!owned) return undefined;
    const former = owned.need;
    const need = { ...former, ...change };
    const { needsOwner, weight, isBound } = need;
    const isSame = former.needsOwner === needsOwner && former.weight === weight && former.isBound === isBound;
    if (isSame && !owned.isUncertain) return undefined;
    owned.need = need;
    owned.isUncertain = false;
    return { type: "need", session, needsOwner, weight, isBound };
  }

  /** Some of what `stageNeed` returned may not be stored. */
  doubtNeeds(): void {
    for (const owned of this.#owned.values()) owned.isUncertain = true;
  }

  #drop(session: string): void {
    this.#owned.delete(session);
    this.#options.forget(session);
  }

  /** Runs work that changes the owner of sessions. `ensure` waits for it. */
  #move(sessions: readonly string[], work: () => Promise<void>): Promise<void> {
    const moved = work().finally(() => {
      for (const session of sessions) if (this.#moving.get(session) === moved) this.#moving.delete(session);
    });
    for (const session of sessions) this.#moving.set(session, moved);
    return moved;
  }

  /** Takes a session, together with all others that are asked for in the same turn. */
  async #acquire(session: string): Promise<void> {
    this.#wanted.add(session);
    this.#acquiring ??= Promise.resolve().then(() => {
      const sessions = [...this.#wanted];
      this.#wanted = new Set();
      this.#acquiring = undefined;
      const taking = this.#take(sessions);
      const end = () => {
        this.#taking = undefined;
      };
      this.#taking = taking.then(end, end);
      void this.#move(sessions, () => taking.then(() => {})).catch(() => {});
      return taking;
    });
    const refusal = (await this.#acquiring).get(session);
    if (refusal) throw refusal;
  }

  /** Takes sessions. Returns an error for each one that another node has. */
  async #take(sessions: readonly string[]): Promise<ReadonlyMap<string, OwnedElsewhere>> {
    const { membership } = this.#options;
    const { life, standing } = membership;
    if (standing.isFrozen) throw new StoreUnavailable(new Error("this node has not reached PostgreSQL for too long"));
    const rows = await this.#ask(sessions, life);
    const isOwn = ({ owner }: AcquiredRow) => owner === life.node;
    const own = rows.filter(isOwn);
    const taken = own.map(({ session }) => fromStoredText(session));
    await this.#load(own, life);
    this.onNeedy(taken.filter((session) => this.isNeedy(session)));
    const refusals = new Map<string, OwnedElsewhere>();
    for (const row of rows) {
      if (isOwn(row)) continue;
      const session = fromStoredText(row.session);
      const name = await membership.nameOf(row.owner ?? row.home ?? 0);
      refusals.set(session, new OwnedElsewhere(session, name, row.owner === null));
    }
    return refusals;
  }

  async #ask(sessions: readonly string[], life: NodeLife): Promise<AcquiredRow[]> {
    const { reads, membership } = this.#options;
    try {
      return await reads.query<AcquiredRow>(acquireStatement, [life.node, life.epoch, sessions.map(toStoredText)]);
    } catch (error) {
      this.isInDoubt = true;
      if (sqlStateOf(error) !== takenOver) throw error;
      membership.lose(life);
      throw new StoreUnavailable(error);
    }
  }

  /** Reads sessions that this node has been given, and uses them from then on. */
  async #load(rows: readonly LeaseRow[], life: NodeLife): Promise<void> {
    if (rows.length === 0) return;
    const sessions = rows.map(({ session }) => fromStoredText(session));
    try {
      await this.#options.load(sessions);
      // They were taken away meanwhile.
      if (!this.#options.membership.isCurrent(life))
        throw new StoreUnavailable(new Error("this node was out of reach"));
    } catch (error) {
      this.isInDoubt = true;
      // A delivery that is taken from memory without a lease would never be settled, and hold up all later ones.
      for (const session of sessions) if (!this.#owned.has(session)) this.#options.forget(session);
      throw error;
    }
    for (const { session, epoch, needs_owner: needsOwner, weight, home } of rows) {
      const need = { needsOwner, weight, isBound: home !== null };
      this.#owned.set(fromStoredText(session), { epoch, need, isUncertain: false });
    }
  }
}
