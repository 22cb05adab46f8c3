import { batch, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import { compareRows, type SessionFilter, searchTerms, searchTextOf } from "./session-filter.ts";
import type { SessionRow } from "./session-row.ts";

/** News of one session. */
export type SessionChange =
  | { readonly kind: "row"; readonly row: SessionRow }
  | { readonly kind: "deleted"; readonly name: string; readonly seq: bigint };

/** Sessions that pass a filter. */
export interface Selection {
  readonly rows: readonly ReadonlySignal<SessionRow>[];
  /** Number of sessions by status that pass the rest of the filter. */
  readonly countByStatus: ReadonlyMap<Status, number>;
}

interface Entry {
  readonly row: Signal<SessionRow>;
  searchText: string;
}

/**
 * All sessions. News may arrive twice and in any order, from lists, streams and other tabs: of two rows of a session the one with the
 * higher `seq` stays. Each row is a signal of its own; `version` changes once for each batch.
 */
export class SessionStore {
  readonly #entries = new Map<string, Entry>();
  readonly #deletedAt = new Map<string, bigint>();
  readonly #version = signal(0);
  #byName: Entry[] | undefined;
  /** Position in the log up to which all changes are known. */
  seq = 0n;

  /** Counts batches of news. Reading it subscribes to all of them. */
  get version(): ReadonlySignal<number> {
    return this.#version;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Returns a session's row; undefined if there is none. Subscribes to the row, or to the next batch of news. */
  get(name: string): SessionRow | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) this.#version.value;
    return entry?.row.value;
  }

  /** Takes news, in one batch for the screen. */
  apply(changes: readonly SessionChange[]): void {
    if (changes.length === 0) return;
    batch(() => {
      for (const change of changes) {
        if (change.kind === "row") this.#put(change.row);
        else this.#delete(change.name, change.seq);
      }
      this.#version.value += 1;
    });
  }

  /** Removes the sessions that a complete list does not name, unless there is later news of them. */
  keepOnly(names: ReadonlySet<string>, listedAtSeq: bigint): void {
    const gone = [...this.#entries].filter(([name, { row }]) => !names.has(name) && row.peek().seq <= listedAtSeq);
    this.apply(gone.map(([name]) => ({ kind: "deleted", name, seq: listedAtSeq })));
  }

  clear(): void {
    this.#entries.clear();
    this.#deletedAt.clear();
    this.#byName = undefined;
    this.seq = 0n;
    this.#version.value += 1;
  }

  /** Returns the sessions that pass a filter, in its order. Subscribes to all news. */
  select(filter: SessionFilter): Selection {
    this.#version.value;
    const terms = searchTerms(filter.query);
    const countByStatus = new Map<Status, number>();
    const found: Entry[] = [];
    for (const entry of this.#sortedByName()) {
      const row = entry.row.peek();
      if (filter.reasons.size > 0 && !filter.reasons.has(row.reason)) continue;
      if (filter.engines.size > 0 && !filter.engines.has(row.engine)) continue;
      if (!terms.every((term) => entry.searchText.includes(term))) continue;
      countByStatus.set(row.status, (countByStatus.get(row.status) ?? 0) + 1);
      if (filter.statuses.size === 0 || filter.statuses.has(row.status)) found.push(entry);
    }
    if (filter.sort !== "name" || filter.isDescending) {
      const compare = compareRows(filter);
      found.sort((a, b) => compare(a.row.peek(), b.row.peek()));
    }
    return { rows: found.map(({ row }) => row), countByStatus };
  }

  #sortedByName(): readonly Entry[] {
    const compare = compareRows({ sort: "name", isDescending: false });
    this.#byName ??= [...this.#entries.values()].sort((a, b) => compare(a.row.peek(), b.row.peek()));
    return this.#byName;
  }

  #put(row: SessionRow): void {
    if ((this.#deletedAt.get(row.name) ?? -1n) >= row.seq) return;
    const entry = this.#entries.get(row.name);
    if (entry === undefined) {
      this.#deletedAt.delete(row.name);
      this.#entries.set(row.name, { row: signal(row), searchText: searchTextOf(row) });
      this.#byName = undefined;
      return;
    }
    const known = entry.row.peek();
    if (known.seq > row.seq) return;
    entry.row.value = { ...row, failingWebhooks: row.failingWebhooks ?? known.failingWebhooks };
    entry.searchText = searchTextOf(row);
  }

  #delete(name: string, seq: bigint): void {
    const entry = this.#entries.get(name);
    if (entry && entry.row.peek().seq > seq) return;
    this.#deletedAt.set(name, seq);
    if (this.#entries.delete(name)) this.#byName = undefined;
  }
}
