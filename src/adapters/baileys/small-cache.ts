import type { Clock } from "../../ports/system.ts";

/** Limits of a cache. */
export interface CacheLimits {
  /** Time after which an entry no longer counts. */
  readonly ttlMs: number;
  /** Number of entries from which on the oldest are dropped. */
  readonly entries: number;
}

interface Entry {
  readonly value: unknown;
  readonly endsAtMs: number;
}

/**
 * Cache with the methods of Baileys' `CacheStore`. It has no timer and allocates nothing before its first entry, whereas each cache that
 * Baileys creates by default takes 8 KB and a timer.
 */
export class SmallCache {
  readonly #clock: Clock;
  readonly #limits: CacheLimits;
  /** The oldest entry first. */
  #entries: Map<string, Entry> | undefined;

  constructor(clock: Clock, limits: CacheLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Number of entries, expired ones included. */
  get size(): number {
    return this.#entries?.size ?? 0;
  }

  get<T>(key: string): T | undefined {
    const entry = this.#entries?.get(key);
    if (!entry || entry.endsAtMs <= this.#clock.nowMs()) return undefined;
    // Baileys names the type of what it has stored.
    return entry.value as T;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  set(key: string, value: unknown): void {
    const { ttlMs, entries: limit } = this.#limits;
    this.#entries ??= new Map();
    const entries = this.#entries;
    const nowMs = this.#clock.nowMs();
    entries.delete(key);
    entries.set(key, { value, endsAtMs: nowMs + ttlMs });
    for (const [oldest, { endsAtMs }] of entries) {
      if (endsAtMs > nowMs && entries.size <= limit) return;
      entries.delete(oldest);
    }
  }

  del(key: string): void {
    this.#entries?.delete(key);
    if (this.size === 0) this.#entries = undefined;
  }

  /** Removes all entries. */
  clear(): void {
    this.#entries = undefined;
  }

  /** As `clear`, by the name that Baileys' `CacheStore` has for it. */
  flushAll(): void {
    this.clear();
  }
}
