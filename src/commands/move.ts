import { readdir } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import packageJson from "../../package.json" with { type: "json" };
import { chooseDirectory, explainError, prepareDirectory } from "../adapters/level/store/data-directory.ts";
import { openLevelSource } from "../adapters/level/transfer/source.ts";
import { openLevelTarget } from "../adapters/level/transfer/target.ts";
import { placeOf } from "../adapters/postgres/store/start-errors.ts";
import { openPostgresSource } from "../adapters/postgres/transfer/source.ts";
import { openPostgresTarget } from "../adapters/postgres/transfer/target.ts";
import { createSealer } from "../adapters/seal/aes-gcm.ts";
import { type Config, ConfigError, type Secrets } from "../config/config.ts";
import { postgresUrl } from "../config/postgres-url.ts";
import type { Sealer } from "../ports/sealer.ts";
import type { StoreSource, StoreTarget } from "../ports/transfer.ts";
import { carryKey, describeProfilesElsewhere, refuseArchives } from "./move/beside-store.ts";
import { type MoveCommands, moveStore } from "./move/move-store.ts";
import { reportTo } from "./move/report.ts";

const usage =
  "usage: move --to <database> (from the data directory to PostgreSQL), or move --from <database> (back to the data directory), " +
  "where <database> is postgres, for the one in SESSIOND_STORE, or a URL that begins with postgres://";

/** The word for the store in the data directory. */
const level = "level";
/** The word for the database in SESSIOND_STORE: other users of a machine can read a command line, and a password in it. */
const configured = "postgres";

/** One move: the database, and the direction. */
interface Way {
  readonly url: string;
  readonly isToPostgres: boolean;
}

/** Options of both stores. */
interface Place {
  readonly base: string;
  readonly directory: string;
  readonly sealer: Sealer | undefined;
  readonly adopt: boolean;
}

/** `move --to <url>` or `move --from <url>`: moves the store between the data directory and PostgreSQL while no server runs on it. */
export async function move(
  config: Config,
  { sealKeys, postgresUrl: storeUrl }: Secrets,
  args: readonly string[],
): Promise<void> {
  const way = wayOf(args, storeUrl);
  const base = await chooseDirectory(resolve(config.baseDirectory), config.formerBaseDirectory);
  const sealer = sealKeys && createSealer(sealKeys.current, sealKeys.previous);
  const place = { base, directory: `${base}/store`, sealer, adopt: config.adoptStore };
  try {
    await (way.isToPostgres ? moveToPostgres(way.url, place) : moveToLevel(way.url, place));
  } catch (error) {
    throw explainError(base, error);
  }
}

async function moveToPostgres(url: string, place: Place): Promise<void> {
  const { base, directory, sealer, adopt } = place;
  const source = await openLevelSource({ directory, sealer, adopt, version: packageJson.version });
  try {
    const target = await openPostgresTarget({ url, sealer, adopt });
    try {
      const commands = commandsFor(url, true);
      const isNew = await run(source, target, commands);
      console.log(
        `${isNew ? "Moved" : "The store was moved before"}: start sessiond with SESSIOND_STORE set to that database.`,
      );
      console.log(`The store in ${directory} does not open any more. To move back, run: ${commands.undo}`);
      if (await printProfiles(base)) {
        console.log(
          "Start the node with that directory first: another one would run the WEBJS sessions without their profiles.",
        );
      }
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function moveToLevel(url: string, place: Place): Promise<void> {
  const { base, directory, sealer, adopt } = place;
  const source = await openPostgresSource({ url, sealer, adopt });
  try {
    if (source.movedTo === undefined) await refuseArchives(source);
    await prepareDirectory(base);
    const mayPutAside = source.movedTo === undefined;
    const target = await openLevelTarget({ directory, sealer, adopt, version: packageJson.version, mayPutAside });
    try {
      if (target.putAside !== undefined) {
        console.log(`The store that had moved away from ${directory} is in ${target.putAside}. Never run it again.`);
      }
      const commands = commandsFor(url, false);
      const isNew = await run(source, target, commands);
      console.log(`${isNew ? "Moved" : "The store was moved before"}: start sessiond without SESSIOND_STORE.`);
      console.log(
        `The store in the database does not open any more. To move there again, drop its schema sessiond first.`,
      );
      for (const line of await carryKey(source, base)) console.log(line);
      for (const line of await describeProfilesElsewhere(source, base)) console.log(line);
      await printProfiles(base);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Moves a store, and prints how it goes on. */
function run(source: StoreSource, target: StoreTarget, commands: MoveCommands): Promise<boolean> {
  console.log(`From ${source.ref.place}\nto ${target.ref.place}`);
  const progress = reportTo(
    (line) => console.log(line),
    () => performance.now(),
  );
  return moveStore(source, target, commands, progress);
}

function wayOf(args: readonly string[], storeUrl: string | undefined): Way {
  const { values } = parseArgs({
    args: [...args],
    options: { from: { type: "string", default: level }, to: { type: "string", default: level } },
  });
  const { from, to } = values;
  if ((from === level) === (to === level)) throw new ConfigError(usage);
  const isToPostgres = from === level;
  return { url: urlOf(isToPostgres ? to : from, isToPostgres ? "--to" : "--from", storeUrl), isToPostgres };
}

function urlOf(text: string, option: string, storeUrl: string | undefined): string {
  if (text !== configured) return postgresUrl.parse(text, option);
  if (storeUrl === undefined) throw new ConfigError(`${option} is ${configured}, but SESSIOND_STORE is not set`);
  return storeUrl;
}

/** Returns the commands of a move and of its undoing. The login is left out. */
function commandsFor(url: string, isToPostgres: boolean): MoveCommands {
  const shown = `postgres://…@${placeOf(url)}`;
  const there = `npm run move -- --to ${shown}`;
  const back = `npm run move -- --from ${shown}`;
  return isToPostgres ? { again: there, undo: back } : { again: back, undo: there };
}

/** Names what stays in the data directory. Returns true if there are profiles of browsers. */
async function printProfiles(base: string): Promise<boolean> {
  const profiles = await readdir(`${base}/webjs`).catch(() => []);
  const count = profiles.length === 0 ? "" : `the profiles of WEBJS browsers (${base}/webjs), `;
  console.log(`Keep ${base}: ${count}the hash of a generated API key and the backups stay there.`);
  return profiles.length > 0;
}
