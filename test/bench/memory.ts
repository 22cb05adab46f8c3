import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";

/** Returns the resident memory (RSS) of a process, kB. */
export async function rssKb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]);
}

/** Returns the resident memory at rest: the lowest of several readings, kB. */
export async function restingRssKb(pid: number, seconds = 5): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let n = 0; n < seconds * 2; n += 1) {
    await setTimeout(500);
    least = Math.min(least, await rssKb(pid));
  }
  return least;
}

/** Clock ticks per second in `/proc` (Linux, USER_HZ). */
const ticksPerSecond = 100;

/** Returns the CPU time that a process has used, s. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The second field, a name in parentheses, can hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
