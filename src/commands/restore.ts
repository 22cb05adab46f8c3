import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { chooseDirectory, prepareDirectory } from "../adapters/level/store/data-directory.ts";
import { restoreStore } from "../adapters/level/store/restore.ts";
import { type Config, ConfigError } from "../config/config.ts";

/** `restore [--force] <backup>`: replaces the store by a backup while no server runs on it. */
export async function restore(config: Config, args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { force: { type: "boolean", default: false } },
  });
  const [backup, ...more] = positionals;
  if (backup === undefined || more.length > 0) {
    throw new ConfigError("usage: restore [--force] <directory of a backup>");
  }
  if (config.store !== "level") {
    throw new ConfigError(
      "SESSIOND_STORE is set, and backups of a store in a data directory cannot be restored to PostgreSQL: unset it to restore one, or " +
        "restore the database by PostgreSQL's own tools",
    );
  }
  const base = await chooseDirectory(resolve(config.baseDirectory), config.formerBaseDirectory);
  await prepareDirectory(base);
  const directory = `${base}/store`;
  const { generation, replaced } = await restoreStore({ backup: resolve(backup), directory, force: values.force });
  console.log(`The store in ${directory} is now that of the backup: generation ${generation.writes}.`);
  if (replaced) {
    console.log(`The store that was there before is in ${replaced}. Never run it again: its sessions are the same.`);
  }
}
