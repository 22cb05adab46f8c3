import { basename, dirname, join } from "node:path";
import { backUp } from "./backup.ts";
import type { Database, Operation } from "./database.ts";
import { keyOf, numberBytes, numberOf } from "./key.ts";

/**
 * Format that this program writes. Raise it when the layout on disk changes in a way that the previous program would lose or misread:
 * that program then refuses the store, and the first start of the new one makes a backup before it writes. New key families and new
 * message fields need no new format, since programs skip unknown ones.
 */
export const currentFormat = 1n;

/** Key of the store's format. */
export const formatKey = keyOf("meta", "format");
/** Key of the version of the program that last opened the store. */
const programKey = keyOf("meta", "program");
/** Key of the path of the backup made before the first write in the present format. */
const backupKey = keyOf("meta", "backup");

/** Version and format of a program. */
export interface Program {
  /** Version for messages. */
  readonly version: string;
  readonly format: bigint;
}

/** Returns the format of a store; undefined for an empty one. Throws if this program does not support it. */
export async function readFormat(database: Database, program: Program): Promise<bigint | undefined> {
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

/** Returns the operations that record this program. Backs up a store of an earlier format first, and passes the path to `backedUp`. */
export async function prepareFormat(
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

/** Returns a path in the directory of the backups made on request. */
function backupDirectory(store: string, format: bigint): string {
  const time = new Date().toISOString().replaceAll(":", "-");
  return join(dirname(store), "backups", `${basename(store)}-before-format-${format}-${time}`);
}

const textOf = (value: Uint8Array) => Buffer.from(value).toString();
