import { mkdir } from "node:fs/promises";
import { Level } from "level";

/** LevelDB with our keys and values: bytes. */
export type Database = Level<Uint8Array, Uint8Array>;

/** The database as it was at one moment. */
export type DatabaseSnapshot = ReturnType<Database["snapshot"]>;

/** One step of an atomic write. */
export type Operation = { type: "put"; key: Uint8Array; value: Uint8Array } | { type: "del"; key: Uint8Array };

const mebibyte = 1_048_576;

/** Opens the database in a directory, which is made where there is none. Rejects with a message that names it. */
export async function openDatabase(directory: string): Promise<Database> {
  // Credentials lie in it: for the owner's eyes only.
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const database: Database = new Level(directory, {
    keyEncoding: "view",
    valueEncoding: "view",
    writeBufferSize: 16 * mebibyte,
    cacheSize: 32 * mebibyte,
  });
  try {
    await database.open();
  } catch (cause) {
    throw new Error(refusal(directory, codeOf(cause)), { cause });
  }
  return database;
}

function refusal(directory: string, code: string | undefined): string {
  if (code === "LEVEL_LOCKED") return `the data directory ${directory} is in use by another sessiond`;
  if (code === "LEVEL_CORRUPTION") return `the store in the data directory ${directory} is damaged`;
  return `the store in the data directory ${directory} cannot be opened`;
}

/** The code of the innermost error: level wraps what its binding reports. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const inner = codeOf(error.cause);
  if (inner !== undefined) return inner;
  return "code" in error && typeof error.code === "string" ? error.code : undefined;
}
