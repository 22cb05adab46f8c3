import { mkdir, open, opendir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { getSystemErrorMap } from "node:util";
import type { Logger } from "../../../ports/system.ts";

/** The data directory cannot be used. The message names the directory, the user id, the cause and the remedy. */
export class DirectoryUnusable extends Error {
  override readonly name = "DirectoryUnusable";
}

/** Remedies for file system errors, by code. */
const remedies: Readonly<Record<string, (directory: string, userId: string) => string>> = {
  EACCES: changeOwner,
  EPERM: changeOwner,
  EROFS: () => "Mount its file system writable",
  ENOSPC: () => "Make room on its disk",
  EDQUOT: () => "Raise the user's disk quota or make room",
  ENOTDIR: () => "Remove the file that stands where a directory belongs",
  EEXIST: () => "Remove the file or broken link that stands where a directory belongs",
  EISDIR: () => "Remove the directory that stands where a file belongs",
  ENAMETOOLONG: () => "Choose a shorter path",
  ELOOP: () => "Mend its symbolic links",
  EIO: () => "Check its disk",
  EINVAL: () => "Choose a file system that can sync files and directories",
  EMFILE: () => "Raise the limit of open files (ulimit -n)",
  ENFILE: () => "Raise the system's limit of open files",
  ENOENT: () => "Choose a place where directories can be made",
};

function changeOwner(directory: string, userId: string): string {
  return userId === "0"
    ? "Choose a place where this user may write, which root may not everywhere"
    : `Give it to that user (chown -R ${userId} ${directory})`;
}

const probeBytes = 64 * 1024;

/**
 * Creates the data directory if it is missing, then tries to list it and to write to it. Rejects with DirectoryUnusable. Runs before
 * anything in the directory is changed.
 */
export async function prepareDirectory(directory: string): Promise<void> {
  try {
    await makeDirectory(directory);
    await (await opendir(directory)).close();
    await probe(join(directory, `.probe-${process.pid}`));
  } catch (error) {
    throw explainError(directory, error);
  }
}

/** Returns the data directory to use: the former one while only that holds a store. */
export async function chooseDirectory(
  directory: string,
  former: string | undefined,
  logger?: Pick<Logger, "warn">,
): Promise<string> {
  if (former === undefined || (await holdsStore(`${directory}/store`))) return directory;
  if (!(await holdsStore(`${former}/store`))) return directory;
  const fields = { directory: former, wanted: directory };
  logger?.warn(fields, "the sessions are in the directory of an earlier image: mount that volume at the new one");
  return former;
}

/** Returns whether a directory holds a LevelDB: its file CURRENT exists. */
export const holdsStore = (directory: string): Promise<boolean> =>
  stat(join(directory, "CURRENT")).then(
    () => true,
    () => false,
  );

/** Converts an error of the file system, directly or through LevelDB, to DirectoryUnusable. Returns other errors unchanged. */
export function explainError(directory: string, error: unknown): unknown {
  const found = findCause(error);
  if (found === undefined) return error;
  const userId = String(process.getuid?.() ?? "unknown");
  const remedy = remedies[found.code]?.(directory, userId) ?? "Choose a directory that can be written to";
  return new DirectoryUnusable(
    `the data directory ${directory} cannot be used by user id ${userId}: ${found.text}. ` +
      `${remedy}, or set WAHA_LOCAL_STORE_BASE_DIR to another directory`,
    { cause: error },
  );
}

/** Returns the innermost error of the file system. LevelDB passes on only its text, not its code. */
function findCause(error: unknown): { code: string; text: string } | undefined {
  if (!(error instanceof Error)) return undefined;
  const inner = findCause(error.cause);
  if (inner) return inner;
  const [text = ""] = error.message.split("\n");
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (code in remedies) return { code, text };
  if (!code.startsWith("LEVEL_")) return undefined;
  const known = systemTexts.find(([name, message]) => name in remedies && text.toLowerCase().includes(message));
  return known && { code: known[0], text };
}

/** Error codes and the C library's texts in lower case. libuv's texts differ for EIO and EDQUOT. */
const systemTexts: readonly (readonly [code: string, text: string])[] = [
  ["EIO", "input/output error"],
  ["EDQUOT", "disk quota exceeded"],
  ...Array.from(getSystemErrorMap().values(), ([code, text]) => [code, text.toLowerCase()] as const),
];

/** Creates a directory and its parents. Node's recursive mkdir hangs if the file system answers ENOENT, as /proc does. */
async function makeDirectory(path: string): Promise<void> {
  const found = await readType(path);
  if (found === "directory") return;
  if (found === "other") throw Object.assign(new Error(`ENOTDIR: not a directory, ${path}`), { code: "ENOTDIR" });
  if (dirname(path) !== path) await makeDirectory(dirname(path));
  // Only the owner may read it, since it holds credentials.
  await mkdir(path, { mode: 0o700 }).catch(async (error: NodeJS.ErrnoException) => {
    // Another process may have created it meanwhile.
    if (error.code !== "EEXIST" || (await readType(path)) !== "directory") throw error;
  });
}

const readType = (path: string): Promise<"directory" | "other" | undefined> =>
  stat(path).then(
    (facts) => (facts.isDirectory() ? "directory" : "other"),
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    },
  );

/** Writes a file and removes it. Rejects if either fails. */
async function probe(path: string): Promise<void> {
  try {
    const file = await open(path, "w", 0o600);
    await file.writeFile(Buffer.alloc(probeBytes)).finally(() => file.close());
  } finally {
    await rm(path, { force: true });
  }
}

/** Errors after which the directory's entries may be missing on disk. */
const syncFailures: readonly unknown[] = ["EIO", "ENOSPC", "EDQUOT", "ENOENT"];

/** Flushes a directory's entries, such as a rename, to disk. Does nothing on Windows and on mounts that cannot sync directories. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    const handle = await open(path);
    await handle.sync().finally(() => handle.close());
  } catch (error) {
    if (error instanceof Error && "code" in error && syncFailures.includes(error.code)) throw error;
  }
}
