/**
 * Starts of a server without sessions, by the command of `npm start`: the first, and later ones that find Node's
 * compile cache. A bare connect-node server starts in turns with them, with a cache too. Prints medians, and exits
 * with 1 if a goal is missed. Linux only.
 *
 *   node test/bench/boot.ts [rounds] [seconds from listening to the end of the memory readings]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { create, toBinary } from "@bufbuild/protobuf";
import { GetSessionResponseSchema } from "../../gen/sessiond/v1/session_service_pb.js";
import type { BareAnswers } from "./bare-server.ts";
import { cpuMicros } from "./cpu.ts";
import { restingRssKb } from "./memory.ts";

const rounds = Number(process.argv[2] ?? 5);
const seconds = Number(process.argv[3] ?? 4);
/** Goals for a start with the cache. */
const goals = { listeningMs: 600, rssMb: 90 };

/** Cost of one start. */
interface Start {
  readonly listeningMs: number;
  readonly cpuMs: number;
  readonly rssMb: number;
}

/** Returns Node's arguments in the command of `npm start`. */
async function startArguments(): Promise<readonly string[]> {
  const { scripts } = JSON.parse(await readFile("package.json", "utf8"));
  const [program, ...args] = String(scripts.start).split(" ");
  if (program !== "node") throw new Error(`npm start runs ${program}, not node`);
  return args;
}

async function measure(child: ChildProcess, listening: Promise<unknown>): Promise<Start> {
  const startedAt = performance.now();
  await Promise.race([listening, once(child, "exit").then(() => Promise.reject(new Error("the server ended")))]);
  const listeningMs = performance.now() - startedAt;
  const pid = child.pid ?? 0;
  const cpuMs = (await cpuMicros(pid)) / 1000;
  const rssMb = (await restingRssKb(pid, seconds)) / 1024;
  child.kill("SIGTERM");
  await once(child, "exit");
  return { listeningMs, cpuMs, rssMb };
}

/** Resolves when a process writes the line that it listens. */
async function listeningLine({ stdout }: ChildProcess): Promise<void> {
  if (!stdout) return;
  for await (const line of createInterface({ input: stdout })) if (line.includes("listening")) return;
}

async function startSessiond(args: readonly string[], cache: string, store: string): Promise<Start> {
  const settings = { PORT: "0", WAHA_LOCAL_STORE_BASE_DIR: store, WAHA_PRINT_QR: "false" };
  const env = { PATH: process.env.PATH ?? "", NODE_COMPILE_CACHE: cache, ...settings };
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  return measure(child, listeningLine(child));
}

async function startBare(cache: string): Promise<Start> {
  const message = toBinary(GetSessionResponseSchema, create(GetSessionResponseSchema));
  const answers: BareAnswers = { kind: "connect-node, HTTP/1.1", message };
  const file = join(import.meta.dirname, "bare-server.ts");
  const env = { PATH: process.env.PATH ?? "", NODE_COMPILE_CACHE: cache };
  const stdio = ["ignore", "inherit", "inherit", "ipc"] as const;
  const child = spawn(process.execPath, [file], { env, stdio: [...stdio], serialization: "advanced" });
  child.send(answers);
  return measure(child, once(child, "message"));
}

const median = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

function medians(starts: readonly Start[]): Start {
  const of = (key: keyof Start) => median(starts.map((start) => start[key]));
  return { listeningMs: of("listeningMs"), cpuMs: of("cpuMs"), rssMb: of("rssMb") };
}

async function run(directory: string): Promise<boolean> {
  const args = await startArguments();
  const store = join(directory, "store");
  const [cache, bareCache] = [join(directory, "cache"), join(directory, "bare-cache")];
  // Fill the caches and create the store.
  await startSessiond(args, cache, store);
  await startBare(bareCache);
  const first: Start[] = [];
  const second: Start[] = [];
  const bare: Start[] = [];
  for (let round = 0; round < rounds; round += 1) {
    first.push(await startSessiond(args, join(directory, `cache-${round}`), store));
    second.push(await startSessiond(args, cache, store));
    bare.push(await startBare(bareCache));
  }
  const baseline = medians(bare);
  const row = (name: string, start: Start) => ({
    start: name,
    "to listening, ms": start.listeningMs.toFixed(0),
    "CPU, ms": start.cpuMs.toFixed(0),
    "RSS, MB": start.rssMb.toFixed(1),
    "CPU ratio": (start.cpuMs / baseline.cpuMs).toFixed(2),
    "RSS ratio": (start.rssMb / baseline.rssMb).toFixed(2),
  });
  const later = medians(second);
  console.table([
    row("sessiond, first", medians(first)),
    row("sessiond, with the cache", later),
    row("bare connect-node, with the cache", baseline),
  ]);
  const isFast = later.listeningMs <= goals.listeningMs;
  const isSmall = later.rssMb <= goals.rssMb;
  console.log(`listening within ${goals.listeningMs} ms: ${isFast ? "met" : "MISSED"}`);
  console.log(`at most ${goals.rssMb} MB: ${isSmall ? "met" : "MISSED"}`);
  return isFast && isSmall;
}

const directory = await mkdtemp(join(tmpdir(), "sessiond-boot-"));
try {
  process.exitCode = (await run(directory)) ? 0 : 1;
} finally {
  await rm(directory, { recursive: true });
}
