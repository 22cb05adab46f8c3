import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** Lists the system's processes through /proc; none where there is no /proc (not Linux). */
async function pids(): Promise<number[]> {
  const entries = await readdir("/proc").catch(() => []);
  return entries.filter((entry) => /^\d+$/.test(entry)).map(Number);
}

/** Returns the live processes that were started with this profile directory. */
export async function processesUsing(profileDirectory: string): Promise<number[]> {
  const argument = `--user-data-dir=${profileDirectory}`;
  const found = await Promise.all(
    (await pids()).map(async (pid) => {
      const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      // Chromium overwrites its command line with one that is separated by spaces.
      return commandLine.split(/\0| (?=--)/).some((part) => part.trimEnd() === argument) ? [pid] : [];
    }),
  );
  return found.flat();
}

/** Returns the live processes among a process and its descendants. */
export async function treeOf(root: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const pid of await pids()) {
    const parent = await parentOf(pid);
    if (parent !== undefined) parents.set(pid, parent);
  }
  const tree = new Set(parents.has(root) ? [root] : []);
  for (let grown = true; grown; ) {
    const before = tree.size;
    for (const [pid, parent] of parents) if (tree.has(parent)) tree.add(pid);
    grown = tree.size > before;
  }
  return [...tree];
}

/** Returns a process's parent; undefined if the process does not exist or is a zombie. */
async function parentOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The process name before the state may contain spaces and brackets.
  const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return !state || state === "Z" || state === "X" ? undefined : Number(parent);
}

const stepMs = 10;

/** Waits for the processes to end; false if some are left after `limitMs`. */
export async function haveEnded(processes: readonly number[], limitMs: number): Promise<boolean> {
  for (let waitedMs = 0; ; waitedMs += stepMs) {
    const alive = await Promise.all(processes.map(parentOf));
    if (alive.every((parent) => parent === undefined)) return true;
    if (waitedMs >= limitMs) return false;
    await sleep(stepMs);
  }
}

/** Kills the processes and waits for their end; false if some are left after `limitMs`. */
export async function killAll(processes: readonly number[], limitMs: number): Promise<boolean> {
  for (const pid of processes) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
  return haveEnded(processes, limitMs);
}
