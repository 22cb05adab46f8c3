/** Starts a server as main.ts does, with the cluster's times multiplied by SESSIOND_TEST_TIME_SCALE. */
import "../../src/compile-cache.js";
import { readFile } from "node:fs/promises";
import { flushCompileCache } from "node:module";
import { scaleTimings } from "../../src/adapters/postgres/cluster/timings.ts";
import { readConfig } from "../../src/config/config.ts";
import { createServer } from "../../src/server.ts";

const { SESSIOND_TEST_TIME_SCALE: scale = "1", ...env } = process.env;
const { config, secrets } = await readConfig((path) => readFile(path, "utf8"), env);
const server = await createServer(config, secrets, { clusterTimings: scaleTimings(Number(scale)) });
flushCompileCache();
setInterval(flushCompileCache, 1_000).unref();
const end = () =>
  server.stop().then(
    () => process.exit(),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, end);
