/** Random choices that a seed repeats. */
export interface SeededRandom {
  readonly seed: number;
  /** Returns a number from 0 up to, but not including, 1. */
  next(): number;
  /** Returns true in this share of calls. */
  chance(share: number): boolean;
  /** Returns a number from `low` up to `high`. */
  between(low: number, high: number): number;
  pick<T>(items: readonly T[]): T;
}

/** Returns the generator of a seed (mulberry32). */
export function createSeededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    seed,
    next,
    chance: (share) => next() < share,
    between: (low, high) => low + next() * (high - low),
    pick<T>(items: readonly T[]): T {
      if (items.length === 0) throw new Error("there is nothing to pick from");
      return items[Math.floor(next() * items.length)] as T;
    },
  };
}
