import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";

/** The memory a process holds (RSS), in kilobytes. */
export async function rssKb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]);
}

/** The same once it has come to rest: the least of some looks. */
export async function restingRssKb(pid: number, seconds = 5): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let n = 0; n < seconds * 2; n += 1) {
    await setTimeout(500);
    least = Math.min(least, await rssKb(pid));
  }
  return least;
}
