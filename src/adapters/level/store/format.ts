import { basename, dirname, join } from "node:path";
import { backUp } from "./backup.ts";
import type { Database, Operation } from "./database.ts";
import { keyOf, numberBytes, numberOf } from "./key.ts";

/**
 * The format that this program writes. To be raised when what is on disk is laid out anew, or when a program of the format before would
 * lose or misread it: that program then refuses the store, and the next start makes a backup before its first write. New families of
 * keys and new fields of messages need no new format, since programs pass over those they do not know.
 */
export const currentFormat = 1n;

export const formatKey = keyOf("meta", "format");
/** The version of the program that opened the store last. */
const programKey = keyOf("meta", "program");
/** The backup that was made before the first write in the present format. */
const backupKey = keyOf("meta", "backup");

/** What this program is. */
export interface Program {
  /** Its version, for messages. */
  readonly version: string;
  readonly format: bigint;
}

/** Returns the format of a store; undefined for one that is empty. Throws where this program does not know it. */
export async function formatOf(database: Database, program: Program): Promise<bigint | undefined> {
  const [format, version, backup] = await database.getMany([formatKey, programKey, backupKey]);
  if (!format) {
    if ((await database.keys({ limit: 1 }).all()).length > 0) throw new Error("it was not made by sessiond");
    return undefined;
  }
  const found = numberOf(format);
  if (found > program.format) {
    const writer = `sessiond ${version ? textOf(version) : "of a later version"}`;
    const back = backup
      ? `To go back to what was there before its first write, run: npm run restore -- ${textOf(backup)}`
      : "There is no backup of an earlier format, since the store was made in this one";
    throw new Error(
      `its format is ${found}, written by ${writer}, and this is sessiond ${program.version}, which knows formats up to ` +
        `${program.format}. Start that version or a later one again. ${back}`,
    );
  }
  return found;
}

/** Returns what records this program's format and version. Backs up a store of an earlier format before that, and tells where. */
export async function formatAdditions(
  database: Database,
  found: bigint | undefined,
  program: Program,
  backedUp: (directory: string) => void,
): Promise<Operation[]> {
  const additions: Operation[] = [
    { type: "put", key: formatKey, value: numberBytes(program.format) },
    { type: "put", key: programKey, value: Buffer.from(program.version) },
  ];
  if (found === undefined || found === program.format) return additions;
  const { directory } = await backUp(database, backupDirectory(database.directory, program.format));
  backedUp(directory);
  return [...additions, { type: "put", key: backupKey, value: Buffer.from(directory) }];
}

/** Beside the store, where the backups that are asked for lie too. */
function backupDirectory(store: string, format: bigint): string {
  const time = new Date().toISOString().replaceAll(":", "-");
  return join(dirname(store), "backups", `${basename(store)}-before-format-${format}-${time}`);
}

const textOf = (value: Uint8Array) => Buffer.from(value).toString();
