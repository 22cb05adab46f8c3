import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { access, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A browser cannot use the system's temporary directory. The message names the directory, the user id, the cause and TMPDIR. */
export class TemporaryDirectoryUnusable extends Error {
  override readonly name = "TemporaryDirectoryUnusable";

  constructor(problem: string, cause?: unknown) {
    super(
      `WEBJS cannot run: the temporary directory ${tmpdir()} cannot be used by user id ${process.getuid?.() ?? "unknown"}: ` +
        `${problem}. Set TMPDIR to a directory where this user can write files and run programs`,
      { cause },
    );
  }
}

/** Runs `work`, which writes to the temporary directory. Rejects with TemporaryDirectoryUnusable if that fails. */
export async function writingTemporaryFiles<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TemporaryDirectoryUnusable) throw error;
    throw new TemporaryDirectoryUnusable(error instanceof Error ? error.message : String(error), error);
  }
}

/** Rejects with TemporaryDirectoryUnusable if programs in this directory cannot be run, as on a mount with noexec. */
export async function checkExecutable(directory: string): Promise<void> {
  const path = join(directory, `probe-${randomUUID()}`);
  try {
    await writeFile(path, "", { mode: 0o700 });
    await access(path, constants.X_OK).catch((error: unknown) => {
      throw new TemporaryDirectoryUnusable("no program there can be run (mounted with noexec?)", error);
    });
  } finally {
    await rm(path, { force: true });
  }
}
