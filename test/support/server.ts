import { EventEmitter } from "node:events";
import { readFile } from "node:fs/promises";
import type { TestContext } from "node:test";
import { openMemoryBackend } from "../../src/adapters/memory/backend.ts";
import { systemClock } from "../../src/adapters/node/system.ts";
import { readConfig } from "../../src/config/config.ts";
import type { Logger } from "../../src/ports/system.ts";
import { createServer, type Overrides, type RunningServer } from "../../src/server.ts";

/** A logger that drops all lines. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLogger };

/**
 * Starts the server that users run, in this process on a free port, and stops it with the test. It has no engines and
 * an in-memory store, unless `overrides` has others, and reads only `env`.
 */
export async function startServer(
  t: TestContext,
  env: Readonly<Record<string, string>> = {},
  overrides: Overrides = {},
): Promise<RunningServer> {
  const { config, secrets } = await readConfig((path) => readFile(path, "utf8"), {
    PORT: "0",
    WAHA_PRINT_QR: "false",
    // No watchdog thread, which could kill the test's process.
    SESSIOND_BLOCKED_LIMIT_SECONDS: "0",
    ...env,
  });
  const server = await createServer(config, secrets, {
    logger: silentLogger,
    backend: openMemoryBackend({ clock: overrides.clock ?? systemClock }),
    engines: [],
    processEvents: new EventEmitter(),
    ...overrides,
  });
  t.after(() => server.stop());
  return server;
}
