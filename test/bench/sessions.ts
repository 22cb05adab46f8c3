/**
 * Memory per WORKING session compared with bare Baileys with keys in SQLite, each freshly started with saved logins:
 * `node test/bench/sessions.ts [counts, largest last: 1,200,1000] [settings: default,semi,arena,jemalloc,tuned]`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { installFastCurve } from "../../src/adapters/baileys/curve.ts";
import { pairFleet, statusCounts } from "../e2e/fleet.ts";
import { openHarness } from "../e2e/harness.ts";

const counts = (process.argv[2] ?? "1,200,1000").split(",").map(Number);
const most = Math.max(...counts);
/** Time in which memory settles. */
const settleMs = 8_000;
const settings: Record<string, Record<string, string>> = {
  default: {},
  semi: { NODE_OPTIONS: "--max-semi-space-size=2" },
  arena: { MALLOC_ARENA_MAX: "1" },
  jemalloc: { LD_PRELOAD: "libjemalloc.so.2" },
  tuned: { NODE_OPTIONS: "--max-semi-space-size=2", MALLOC_ARENA_MAX: "1" },
};
const wanted = (process.argv[3] ?? "default,tuned").split(",");
const chosen = Object.entries(settings).filter(([name]) => wanted.includes(name));

// The emulator's phones sign a lot too.
installFastCurve();

async function rssMb(pid: number | undefined): Promise<number> {
  await delay(settleMs);
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s*(\d+)/.exec(status)?.[1]) / 1024;
}

interface Row {
  readonly what: string;
  readonly count: number;
  readonly rss: number;
}
const rows: Row[] = [];

async function measureSessiond(): Promise<void> {
  await using it = await openHarness({ SESSIOND_CONNECTS_PER_SECOND: "200" });
  const { whatsapp, server, rest } = it;
  const { names } = await pairFleet(whatsapp, rest, most);
  for (const count of counts.toSorted((a, b) => b - a)) {
    for (const name of names.slice(count)) await rest.post(`/api/sessions/${name}/stop`);
    for (const [setting, env] of chosen) {
      await server.kill("SIGTERM");
      await server.restart({ ...env, SESSIOND_CONNECTS_PER_SECOND: "60" });
      while (((await statusCounts(rest)).WORKING ?? 0) < count) await delay(500);
      rows.push({ what: `sessiond, ${setting}`, count, rss: await rssMb(server.pid) });
    }
  }
}

async function measureBare(): Promise<void> {
  const { startWhatsApp } = await import("../emulator/whatsapp.ts");
  const whatsapp = await startWhatsApp();
  const directory = await mkdtemp(join(tmpdir(), "sessiond-bench-"));
  const file = new URL("./bare-baileys.ts", import.meta.url).pathname;
  const run = async (count: number, env: Record<string, string>, ...more: string[]): Promise<number> => {
    const args = [file, whatsapp.url, join(directory, "keys.sqlite"), String(count), ...more];
    const child = spawn(process.execPath, args, {
      env: { PATH: process.env.PATH, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(child, "exit");
    for await (const line of createInterface({ input: child.stdout })) {
      const [word, , ...text] = line.split(" ");
      if (word === "qr") void whatsapp.phone().scan(text.join(" "));
      if (word === "open") break;
    }
    const rss = more.length > 0 ? 0 : await rssMb(child.pid);
    child.kill("SIGKILL");
    await exited;
    return rss;
  };
  await run(most, {}, "pairing");
  for (const count of counts.toSorted((a, b) => b - a)) {
    for (const [setting, env] of chosen) {
      rows.push({ what: `bare Baileys, ${setting}`, count, rss: await run(count, env) });
    }
  }
  await rm(directory, { recursive: true });
  await whatsapp.close();
}

await measureSessiond();
await measureBare();

const rssOf = (what: string, count: number) =>
  rows.find((row) => row.what === what && row.count === count)?.rss ?? Number.NaN;
const table = rows.map(({ what, count, rss }) => {
  const one = rssOf(what, Math.min(...counts));
  const bare = rssOf(what.replace("sessiond", "bare Baileys"), count);
  return {
    what,
    sessions: count,
    "RSS MB": rss.toFixed(1),
    "MB per session": (rss / count).toFixed(2),
    "each further MB": count > 1 ? ((rss - one) / (count - Math.min(...counts))).toFixed(3) : "",
    "times bare": (rss / bare).toFixed(2),
  };
});
console.table(table);
