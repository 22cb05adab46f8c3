const compileCache = new URL("../../src/compile-cache.js", import.meta.url);

/** Settings of the processes that are measured. */
export const settings: Readonly<Record<string, Record<string, string>>> = {
  default: {},
  semi: { NODE_OPTIONS: "--max-semi-space-size=2" },
  arena: { MALLOC_ARENA_MAX: "1" },
  jemalloc: { LD_PRELOAD: "libjemalloc.so.2" },
  // The settings of the image, with the compile cache of `npm start`: without it, the type stripper would stay in memory.
  tuned: {
    NODE_OPTIONS: `--max-semi-space-size=2 --import=${compileCache}`,
    MALLOC_ARENA_MAX: "1",
    MALLOC_TRIM_THRESHOLD_: "131072",
  },
};

/** Prints a figure beside its goal, the largest that it may be. A missed goal lets the process exit with 1. */
export function print(what: string, value: number, goal: number): void {
  tell(what, value, `at most ${goal}`, value <= goal);
}

/** Prints a figure beside its goal, the smallest that it may be. A missed goal lets the process exit with 1. */
export function printAtLeast(what: string, value: number, goal: number): void {
  tell(what, value, `at least ${goal}`, value >= goal);
}

function tell(what: string, value: number, goal: string, isMet: boolean): void {
  if (!isMet) process.exitCode = 1;
  console.log(`${what}: ${value.toPrecision(3)} (goal: ${goal}; ${isMet ? "met" : "missed"})`);
}
