import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeOptions } from "../support/node-options.ts";

const main = new URL("../../src/main.ts", import.meta.url).pathname;

export const isRoot = process.getuid?.() === 0;
/** User id without a name, if this process may change its user. */
export const namelessUid = isRoot ? 54_321 : process.getuid?.();

/** End of a start, or proof that it succeeded: then the server was stopped once it listened. */
export interface Start {
  readonly listens: boolean;
  readonly code: number | null;
  readonly output: string;
}

/** Starts a server with only these variables, and stops it as soon as it listens. */
export async function startMain(
  env: Readonly<Record<string, string>>,
  { uid, args = [] }: { uid?: number | undefined; args?: readonly string[] } = {},
): Promise<Start> {
  const child = spawn(process.execPath, [...nodeOptions, main, ...args], {
    cwd: "/",
    env: { PATH: process.env.PATH ?? "", PORT: "0", WAHA_PRINT_QR: "false", ...env },
    stdio: ["ignore", "pipe", "pipe"],
    ...(uid !== undefined && { uid, gid: uid }),
  });
  let output = "";
  let listens = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (listens || !output.includes("listening")) return;
      listens = true;
      child.kill("SIGTERM");
    });
  }
  // A hanging start fails its test and leaves no process behind.
  const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
  const [code] = await once(child, "close");
  clearTimeout(timer);
  return { listens, code, output };
}

/** A test, or another owner, that removes its things at its end. */
export interface Owner {
  after(remove: () => Promise<void>): void;
}

/** Creates a directory that every user can read, removed after the test. */
export async function temporaryDirectory(t: Owner): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "sessiond-start-"));
  await chmod(directory, 0o755);
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}
