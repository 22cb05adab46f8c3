import "./compile-cache.js";
import "./config/process-environment.ts";
import "./server/node-http.ts";
import { readFile } from "node:fs/promises";
import { flushCompileCache } from "node:module";
import { ConfigError, readConfig } from "./config/config.ts";

const flushIntervalMs = 5_000;

/** Runs the server until SIGTERM or SIGINT. */
async function run(): Promise<void> {
  const { config, secrets } = await settings();
  const { createServer } = await import("./server.ts");
  const server = await createServer(config, secrets);
  const end = () =>
    server.stop().then(
      // Libraries leave timers of up to a minute behind, and everything is closed and written by now.
      () => process.exit(),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  // A second signal meets Node's default handler and ends a stop that hangs.
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, end);
  // A process that is killed would not write what it has compiled, libraries that are loaded later included.
  flushCompileCache();
  setInterval(flushCompileCache, flushIntervalMs).unref();
}

async function restore(args: readonly string[]): Promise<void> {
  const { config } = await settings();
  const { restore: restoreBackup } = await import("./commands/restore.ts");
  await restoreBackup(config, args);
}

async function move(args: readonly string[]): Promise<void> {
  const { config, secrets } = await settings();
  const { move: moveStore } = await import("./commands/move.ts");
  await moveStore(config, secrets, args);
}

async function health(): Promise<void> {
  const { config, secrets } = await settings();
  const { checkHealth } = await import("./commands/health.ts");
  process.exit((await checkHealth(config, secrets)) ? 0 : 1);
}

const settings = () => readConfig((path) => readFile(path, "utf8"));

const commands: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = { run, restore, move, health };

try {
  const [name = "run", ...args] = process.argv.slice(2);
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) throw new ConfigError(`unknown command ${name}: use one of ${Object.keys(commands).join(", ")}`);
  await command(args);
} catch (error) {
  console.error(error instanceof Error ? `sessiond: ${error.message}` : error);
  // Handles that are still open would keep the process alive.
  process.exit(1);
}
