import { readdir, readFile } from "node:fs/promises";

/** Returns the CPU time that all threads of a process have used, µs. Linux only. */
export async function cpuMicros(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`);
  const times = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/schedstat`, "utf8")));
  return times.reduce((sum, text) => sum + Number(text.split(" ", 1)[0]) / 1000, 0);
}
