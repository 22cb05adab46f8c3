const hourMs = 3_600_000;

/** Changes of the wall clock for tests, by name. */
export const jumps = [
  ["two hours back", -2 * hourMs],
  ["two hours forward", 2 * hourMs],
  ["a year back", -365 * 24 * hourMs],
  ["a year forward", 365 * 24 * hourMs],
] as const;
