import type { Limits, Retention } from "../../ports/upkeep.ts";
import type { Trimmed } from "../embedded/trimmed.ts";
import type { OpenStore } from "./store/opening.ts";
import type { Reads } from "./store/reads.ts";
import { fromStoredText, toStoredText } from "./store/text.ts";

/** States of deliveries that are settled. */
export type SettledState = "delivered" | "failed";

/** Kinds of entries that are trimmed. */
type Kind = "event" | SettledState | "sent";

/** The entries of a kind: table, condition, the column that orders them, and the columns that name one. */
const placeOf = {
  event: { table: "event", condition: "true", order: "seq", name: "session, seq" },
  delivered: { table: "settled", condition: "is_delivered", order: "seq", name: "session, seq, endpoint" },
  failed: { table: "settled", condition: "NOT is_delivered", order: "seq", name: "session, seq, endpoint" },
  sent: { table: "outgoing", condition: "NOT is_unsent", order: "place", name: "session, place" },
} as const satisfies Record<Kind, object>;

/** Number of entries per write; small, so that other writes do not wait long. */
const batchSize = 128;

/** Callbacks by which the nodes share the work. */
export interface RetentionShare {
  /** Returns true if this node owns a session. */
  owns(session: string): boolean;
  /** Returns true if this node is the one that trims the sessions without an owner. */
  trimsUnowned(): boolean;
}

/** Trims events, settled deliveries and sent messages of this node's share of the sessions, on a connection of its own. */
export class PostgresRetention {
  readonly #connection: Reads;
  readonly #share: RetentionShare;
  readonly #trimmed: Trimmed;
  /** Upper bounds of the entries of this node's sessions: counted when a session is first met, then raised with each addition. */
  readonly #counts: Readonly<Record<Kind, Map<string, number>>> = {
    event: new Map(),
    delivered: new Map(),
    failed: new Map(),
    sent: new Map(),
  };

  constructor({ upkeep, trimmed }: Pick<OpenStore, "upkeep" | "trimmed">, share: RetentionShare) {
    this.#connection = upkeep;
    this.#share = share;
    this.#trimmed = trimmed;
  }

  /** Entries were added. */
  added(kind: Kind, session: string, count: number): void {
    const counts = this.#counts[kind];
    const before = counts.get(session);
    if (before !== undefined) counts.set(session, before + count);
  }

  /** A session is gone, with its entries. */
  forget(session: string): void {
    this.forgetCounts(session);
    this.#trimmed.forget(session);
  }

  /** Another node may add entries of a session. */
  forgetCounts(session: string): void {
    for (const counts of Object.values(this.#counts)) counts.delete(session);
  }

  /** See Upkeep.trim. */
  async trim({ events, delivered, failed, sent }: Retention, nowMs: number, signal: AbortSignal): Promise<number> {
    let removed = 0;
    const isOurs = await this.#divide();
    for (const [kind, limits] of [
      ["event", events],
      ["delivered", delivered],
      ["failed", failed],
      ["sent", sent],
    ] as const) {
      if (!limits) continue;
      for (const session of await this.#sessionsWith(kind)) {
        if (signal.aborted) return removed;
        if (!isOurs(session)) continue;
        removed += await this.#trimSession(kind, session, limits, nowMs, signal);
      }
    }
    return removed;
  }

  /** Returns a function that tells if a session is of this node's share. */
  async #divide(): Promise<(session: string) => boolean> {
    const { owns, trimsUnowned } = this.#share;
    if (!trimsUnowned()) return owns;
    const rows = await this.#connection.query<{ session: string }>(
      "SELECT session FROM sessiond.lease WHERE node IS NOT NULL",
    );
    const owned = new Set(rows.map(({ session }) => fromStoredText(session)));
    return (session) => owns(session) || !owned.has(session);
  }

  async #sessionsWith(kind: Kind): Promise<string[]> {
    const { table, condition } = placeOf[kind];
    const next = (after: string) =>
      `(SELECT session FROM sessiond.${table} WHERE ${condition} ${after} ORDER BY session LIMIT 1)`;
    const rows = await this.#connection.query<{ session: string }>(
      `WITH RECURSIVE found (session) AS (
        ${next("")} UNION ALL SELECT ${next("AND session > found.session")} FROM found WHERE found.session IS NOT NULL
      ) SELECT session FROM found WHERE session IS NOT NULL`,
    );
    return rows.map(({ session }) => fromStoredText(session));
  }

  async #trimSession(kind: Kind, session: string, limits: Limits, nowMs: number, signal: AbortSignal) {
    const counts = this.#counts[kind];
    let removed = 0;
    if ((counts.get(session) ?? Number.POSITIVE_INFINITY) > limits.maxCount) {
      const { through, count } = await this.#excess(kind, session, limits.maxCount);
      // Of other sessions, another node may add entries.
      if (this.#share.owns(session)) counts.set(session, count);
      if (through !== undefined) removed += await this.#removeThrough(kind, session, through, signal);
    }
    const through = await this.#outdated(kind, session, nowMs - limits.maxAgeMs, nowMs);
    if (through === undefined) return removed;
    const outdated = await this.#removeThrough(kind, session, through, signal);
    this.added(kind, session, -outdated);
    return removed + outdated;
  }

  /** The newest entry that is one too many, and how many there are when it is gone. */
  async #excess(
    kind: Kind,
    session: string,
    maxCount: number,
  ): Promise<{ through: bigint | undefined; count: number }> {
    const { table, condition, order } = placeOf[kind];
    const [row] = await this.#connection.query<{ count: bigint; through: bigint | null }>(
      `WITH newest AS (
        SELECT ${order} AS place, row_number() OVER (ORDER BY ${order} DESC) AS n FROM sessiond.${table}
        WHERE session = $1 AND ${condition} ORDER BY ${order} DESC LIMIT $2::bigint + 1
      ) SELECT count(*) FILTER (WHERE n <= $2) AS count, max(place) FILTER (WHERE n > $2) AS through FROM newest`,
      [toStoredText(session), BigInt(maxCount)],
    );
    return { through: row?.through ?? undefined, count: Number(row?.count ?? 0n) };
  }

  /**
   * The last of the oldest entries in a row that are from before `thanMs`. One from a future that the clock was set back from is as
   * old as the entries around it.
   */
  async #outdated(kind: Kind, session: string, thanMs: number, nowMs: number): Promise<bigint | undefined> {
    const { table, condition, order } = placeOf[kind];
    const own = `sessiond.${table} WHERE session = $1 AND ${condition}`;
    const [row] = await this.#connection.query<{ through: bigint | null }>(
      `WITH fresh AS (SELECT ${order} AS place FROM ${own} AND at >= $2 AND at <= $3 ORDER BY ${order} LIMIT 1)
      SELECT max(${order}) AS through FROM ${own} AND at < $2
        AND ${order} < coalesce((SELECT fresh.place FROM fresh), 9223372036854775807)`,
      [toStoredText(session), Math.max(Number.MIN_SAFE_INTEGER, Math.floor(thanMs)), Math.floor(nowMs)],
    );
    return row?.through ?? undefined;
  }

  async #removeThrough(kind: Kind, session: string, through: bigint, signal: AbortSignal): Promise<number> {
    let removed = 0;
    while (!signal.aborted) {
      const count =
        kind === "event" ? await this.#trimLog(session, through) : await this.#trimRows(kind, session, through);
      removed += count;
      if (count < batchSize) break;
    }
    return removed;
  }

  async #trimRows(kind: Exclude<Kind, "event">, session: string, through: bigint): Promise<number> {
    const { table, condition, order, name } = placeOf[kind];
    const rows = await this.#connection.query(
      `DELETE FROM sessiond.${table} WHERE (${name}) IN (
        SELECT ${name} FROM sessiond.${table} WHERE session = $1 AND ${order} <= $2 AND ${condition} ORDER BY ${order} LIMIT $3
      ) RETURNING 1`,
      [toStoredText(session), through, batchSize],
    );
    return rows.length;
  }

  async #trimLog(session: string, through: bigint): Promise<number> {
    const stored = toStoredText(session);
    const rows = await this.#connection.query<{ seq: bigint }>(
      "SELECT seq FROM sessiond.event WHERE session = $1 AND seq <= $2 ORDER BY seq LIMIT $3",
      [stored, through, batchSize],
    );
    const last = rows.at(-1)?.seq;
    if (last === undefined) return 0;
    // Before the write, so that a reader cannot take trimmed events for events that never were.
    this.#trimmed.mark(session, last);
    await this.#connection.query("SELECT sessiond.trim_events_v1($1, $2)", [stored, last]);
    return rows.length;
  }
}
