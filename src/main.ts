import "./compile-cache.js";
import "./config/process-environment.ts";
import { readFile } from "node:fs/promises";
import { flushCompileCache } from "node:module";
import { checkHealth } from "./commands/health.ts";
import { restore } from "./commands/restore.ts";
import { ConfigError, readConfig } from "./config/config.ts";

/** Runs the server until SIGTERM or SIGINT. */
async function run(): Promise<void> {
  const { config, secrets } = await settings();
  const { createServer } = await import("./server.ts");
  const server = await createServer(config, secrets);
  // A process that is killed would not write it.
  flushCompileCache();
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
}

async function health(): Promise<void> {
  const { config, secrets } = await settings();
  process.exit((await checkHealth(config, secrets)) ? 0 : 1);
}

const settings = () => readConfig((path) => readFile(path, "utf8"));

const commands: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  run,
  restore: async (args) => restore((await settings()).config, args),
  health,
};

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
