import { readdir } from "node:fs/promises";
import packageJson from "../../package.json" with { type: "json" };
import { openLevelBackend } from "../adapters/level/backend.ts";
import { explainError, prepareDirectory } from "../adapters/level/store/data-directory.ts";
import { createSealer } from "../adapters/seal/aes-gcm.ts";
import type { OverviewOptions } from "../api/overview.ts";
import type { StoreServiceOptions } from "../api/store-service.ts";
import type { Config, Secrets } from "../config/config.ts";
import { SessionError } from "../domain/errors.ts";
import type { Backend } from "../ports/backend.ts";
import type { Overrides, Tools } from "./overrides.ts";

/** An open store. */
export interface Store {
  readonly backend: Backend;
  /** Monotonic time of the last write of an earlier process; undefined for a new store. */
  readonly lastWrittenMs: number | undefined;
  readonly backUp: StoreServiceOptions["backUp"];
  readonly lastBackup: OverviewOptions["lastBackup"];
}

/** Opens one kind of store in the data directory, which is created if needed. */
type OpenStore = (directory: string, config: Config, secrets: Secrets, tools: Tools) => Promise<Store>;

/** Every store that a configuration can name. */
const stores: Readonly<Record<Config["store"], OpenStore>> = { level: openLevelStore };

/** Opens the store that the configuration names, unless a test brings one. */
export async function openStore(
  directory: string,
  config: Config,
  secrets: Secrets,
  tools: Tools,
  { backend }: Overrides,
): Promise<Store> {
  return backend ? storeOver(directory, backend) : stores[config.store](directory, config, secrets, tools);
}

async function openLevelStore(
  directory: string,
  { adoptStore: adopt }: Config,
  { sealKeys }: Secrets,
  { clock, logger }: Tools,
): Promise<Store> {
  await prepareDirectory(directory);
  const sealer = sealKeys && createSealer(sealKeys.current, sealKeys.previous);
  const program = { version: packageJson.version };
  const open = openLevelBackend({ directory: `${directory}/store`, clock, logger, sealer, adopt, program });
  const backend = await open.catch((error: unknown) => {
    throw explainError(directory, error);
  });
  return { ...storeOver(directory, backend), lastWrittenMs: backend.lastWrittenMs };
}

const storeOver = (directory: string, backend: Backend): Store => ({
  backend,
  lastWrittenMs: undefined,
  async backUp(wallMs) {
    if (!backend.backups) throw new SessionError("STORE_UNAVAILABLE", "This store is backed up by tools of its own");
    return backend.backups.write(`${directory}/backups/${new Date(wallMs).toISOString().replaceAll(":", "-")}`);
  },
  lastBackup: () => lastBackupIn(`${directory}/backups`),
});

/** Returns the latest of the backups that `backUp` wrote, by their names. */
async function lastBackupIn(directory: string): Promise<{ directory: string; wallMs: number } | undefined> {
  const names = await readdir(directory).catch(() => []);
  const times = names.map((name) => ({ directory: `${directory}/${name}`, wallMs: timeOfName(name) }));
  const finished = times.filter(({ wallMs }) => !Number.isNaN(wallMs));
  return finished.sort((a, b) => b.wallMs - a.wallMs)[0];
}

/** Returns the Unix time (ms) that a backup is named after; NaN for any other name. */
const timeOfName = (name: string): number => Date.parse(name.replace(/T(\d\d)-(\d\d)-(\d\d\.\d{3}Z)$/, "T$1:$2:$3"));
