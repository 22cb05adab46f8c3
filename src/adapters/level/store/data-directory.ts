import { mkdir, open, opendir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { getSystemErrorMap } from "node:util";
import type { Logger } from "../../../ports/system.ts";

/** The data directory cannot be used. The message names it, the user id, the cause and the remedy. */
export class DirectoryUnusable extends Error {
  override readonly name = "DirectoryUnusable";
}

/** What to do about errors of the file system, by code. */
const remedies: Readonly<Record<string, (directory: string, userId: string) => string>> = {
  EACCES: giveIt,
  EPERM: giveIt,
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

function giveIt(directory: string, userId: string): string {
  return userId === "0"
    ? "Choose a place where this user may write, which root may not everywhere"
    : `Give it to that user (chown -R ${userId} ${directory})`;
}

const probeBytes = 64 * 1024;

/**
 * Makes a data directory where there is none, and tries to list it and to write to it. Rejects with DirectoryUnusable. Tells a directory
 * that cannot be used before anything has been changed in it.
 */
export async function prepareDirectory(directory: string): Promise<void> {
  try {
    await makeDirectory(directory);
    await (await opendir(directory)).close();
    await probe(join(directory, `.probe-${process.pid}`));
  } catch (error) {
    throw explained(directory, error);
  }
}

/** Returns the data directory to use: the former one as long as it holds a store and the present one does not. */
export async function presentDirectory(
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

/** LevelDB's way to begin: the file that names the others. */
export const holdsStore = (directory: string): Promise<boolean> =>
  stat(join(directory, "CURRENT")).then(
    () => true,
    () => false,
  );

/** Returns DirectoryUnusable in place of an error of the file system, LevelDB's included; any other error as it is. */
export function explained(directory: string, error: unknown): unknown {
  const found = causeOf(error);
  if (found === undefined) return error;
  const userId = String(process.getuid?.() ?? "unknown");
  const remedy = remedies[found.code]?.(directory, userId) ?? "Choose a directory that can be written to";
  return new DirectoryUnusable(
    `the data directory ${directory} cannot be used by user id ${userId}: ${found.text}. ` +
      `${remedy}, or set WAHA_LOCAL_STORE_BASE_DIR to another directory`,
    { cause: error },
  );
}

/** The innermost error of the file system: LevelDB's have no code of the system, only its text. */
function causeOf(error: unknown): { code: string; text: string } | undefined {
  if (!(error instanceof Error)) return undefined;
  const inner = causeOf(error.cause);
  if (inner) return inner;
  const [text = ""] = error.message.split("\n");
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (code in remedies) return { code, text };
  if (!code.startsWith("LEVEL_")) return undefined;
  const known = systemTexts.find(([name, message]) => name in remedies && text.toLowerCase().includes(message));
  return known && { code: known[0], text };
}

/** Codes and texts as the C library has them, in lower case; libuv's own text for EIO is another. */
const systemTexts: readonly (readonly [code: string, text: string])[] = [
  ["EIO", "input/output error"],
  ["EDQUOT", "disk quota exceeded"],
  ...Array.from(getSystemErrorMap().values(), ([code, text]) => [code, text.toLowerCase()] as const),
];

/** Node's own recursive mkdir never comes back where a file system refuses directories with ENOENT, as /proc does. */
async function makeDirectory(path: string): Promise<void> {
  const found = await typeOf(path);
  if (found === "directory") return;
  if (found === "other") throw Object.assign(new Error(`ENOTDIR: not a directory, ${path}`), { code: "ENOTDIR" });
  if (dirname(path) !== path) await makeDirectory(dirname(path));
  // Credentials lie in it: for the owner's eyes only.
  await mkdir(path, { mode: 0o700 }).catch(async (error: NodeJS.ErrnoException) => {
    // Another process may have been faster.
    if (error.code !== "EEXIST" || (await typeOf(path)) !== "directory") throw error;
  });
}

const typeOf = (path: string): Promise<"directory" | "other" | undefined> =>
  stat(path).then(
    (facts) => (facts.isDirectory() ? "directory" : "other"),
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    },
  );

/** Writes a file and removes it. */
async function probe(path: string): Promise<void> {
  try {
    const file = await open(path, "w", 0o600);
    await file.writeFile(Buffer.alloc(probeBytes)).finally(() => file.close());
  } finally {
    await rm(path, { force: true });
  }
}

/** These mean that the directory's entries may not be on the disk. */
const syncFailures: readonly unknown[] = ["EIO", "ENOSPC", "EDQUOT", "ENOENT"];

/** Makes what was renamed in a directory outlive a power failure, where the system can: Windows and some mounts refuse to sync directories. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    const handle = await open(path);
    await handle.sync().finally(() => handle.close());
  } catch (error) {
    if (error instanceof Error && "code" in error && syncFailures.includes(error.code)) throw error;
  }
}
