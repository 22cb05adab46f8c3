import { readdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import packageJson from "../../package.json" with { type: "json" };
import { openLevelBackend } from "../adapters/level/backend.ts";
import { DirectoryUnusable, explainError, prepareDirectory } from "../adapters/level/store/data-directory.ts";
import { holdsSessions } from "../adapters/level/store/unused-store.ts";
import { createSealer } from "../adapters/seal/aes-gcm.ts";
import type { OverviewOptions } from "../api/overview.ts";
import type { StoreServiceOptions } from "../api/store-service.ts";
import type { Config, Secrets } from "../config/config.ts";
import { SessionError } from "../domain/errors.ts";
import type { Backend } from "../ports/backend.ts";
import type { Logger } from "../ports/system.ts";
import type { Overrides, Tools } from "./overrides.ts";
import { warnIfShared } from "./unsealed-cluster.ts";

/** Number of NOWEB sessions that a node should run for each processor, at most: a guess. */
const weightPerProcessor = 2_000;

/** An open store. */
export interface Store {
  readonly backend: Backend;
  /** Its directory or its database, for the log. */
  readonly place: string;
  /** Monotonic time of the last write of an earlier process; undefined for a new store. */
  readonly lastWrittenMs: number | undefined;
  readonly backUp: StoreServiceOptions["backUp"];
  readonly lastBackup: OverviewOptions["lastBackup"];
}

/** Opens one kind of store. The data directory is created if needed. */
type OpenStore = (
  directory: string,
  config: Config,
  secrets: Secrets,
  tools: Tools,
  overrides: Overrides,
) => Promise<Store>;

/** Every store that a configuration can name. */
const stores: Readonly<Record<Config["store"], OpenStore>> = { level: openLevelStore, postgres: openPostgresStore };

/** Opens the store that the configuration names, unless a test brings one. */
export async function openStore(
  directory: string,
  config: Config,
  secrets: Secrets,
  tools: Tools,
  overrides: Overrides,
): Promise<Store> {
  const { backend } = overrides;
  return backend ? storeOver(directory, backend) : stores[config.store](directory, config, secrets, tools, overrides);
}

async function openLevelStore(
  directory: string,
  { adoptStore: adopt }: Config,
  { sealKeys }: Secrets,
  { clock, logger }: Tools,
): Promise<Store> {
  await prepareDirectory(directory);
  const sealer = sealerOf(sealKeys);
  const program = { version: packageJson.version };
  const open = openLevelBackend({ directory: `${directory}/store`, clock, logger, sealer, adopt, program });
  const backend = await open.catch((error: unknown) => {
    throw explainError(directory, error);
  });
  return { ...storeOver(directory, backend), lastWrittenMs: backend.lastWrittenMs };
}

async function openPostgresStore(
  directory: string,
  config: Config,
  secrets: Secrets,
  tools: Tools,
  { clusterTimings: timings }: Overrides,
): Promise<Store> {
  const { postgresUrl: url = "", sealKeys } = secrets;
  const { clock, logger } = tools;
  await prepareBesideDatabase(directory, config, logger);
  // Servers on LevelDB do without its libraries.
  const { openPostgresBackend, placeOf } = await import("../adapters/postgres/backend.ts");
  const backend = await openPostgresBackend({
    url,
    clock,
    logger,
    sealer: sealerOf(sealKeys),
    adopt: config.adoptStore,
    timings,
    node: {
      ...(config.nodeName !== undefined && { name: config.nodeName }),
      version: packageJson.version,
      build: config.build,
      capacity: weightPerProcessor * availableParallelism(),
    },
  });
  if (!sealKeys && backend.cluster) await warnIfShared(backend.cluster, logger);
  return {
    ...storeOver(directory, backend),
    place: `PostgreSQL at ${placeOf(url)}`,
    lastWrittenMs: backend.lastWrittenMs,
    lastBackup: async () => undefined,
  };
}

/** Prepares the data directory for what is not in the database: profiles of browsers, and a key that the server makes. */
async function prepareBesideDatabase(directory: string, { access }: Config, logger: Logger): Promise<void> {
  try {
    await prepareDirectory(directory);
  } catch (error) {
    if (!(error instanceof DirectoryUnusable) || access === "generated_key") throw error;
    logger.warn({}, `${error.message}. No WEBJS session can run until then`);
    return;
  }
  if (!(await holdsSessions(`${directory}/store`))) return;
  logger.warn(
    { directory: `${directory}/store` },
    "SESSIOND_STORE is set, so the sessions of the store in the data directory are not used. To take them along, stop this server " +
      "and run npm run move; to go on with them, unset SESSIOND_STORE",
  );
}

const sealerOf = (keys: Secrets["sealKeys"]) => keys && createSealer(keys.current, keys.previous);

const storeOver = (directory: string, backend: Backend): Store => ({
  backend,
  place: directory,
  lastWrittenMs: undefined,
  async backUp(wallMs) {
    if (!backend.backups) throw new SessionError("STORE_UNAVAILABLE", backedUpElsewhere);
    return backend.backups.write(`${directory}/backups/${new Date(wallMs).toISOString().replaceAll(":", "-")}`);
  },
  lastBackup: () => lastBackupIn(`${directory}/backups`),
});

const backedUpElsewhere =
  "This store is backed up by tools of its own: for PostgreSQL, pg_dump or a copy of the server";

/** Returns the latest of the backups that `backUp` wrote, by their names. */
async function lastBackupIn(directory: string): Promise<{ directory: string; wallMs: number } | undefined> {
  const names = await readdir(directory).catch(() => []);
  const times = names.map((name) => ({ directory: `${directory}/${name}`, wallMs: timeOfName(name) }));
  const finished = times.filter(({ wallMs }) => !Number.isNaN(wallMs));
  return finished.sort((a, b) => b.wallMs - a.wallMs)[0];
}

/** Returns the Unix time (ms) that a backup is named after; NaN for any other name. */
const timeOfName = (name: string): number => Date.parse(name.replace(/T(\d\d)-(\d\d)-(\d\d\.\d{3}Z)$/, "T$1:$2:$3"));
