import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { FileArchive } from "../../ports/profiles.ts";
import { CredentialsUnreadable } from "../engine/credentials.ts";
import { ArchiveUnusable, Measured, packFiles, unpackFiles } from "./archive-format.ts";
import type { Login } from "./login.ts";

/** A larger profile stays on its machine. */
export const maxArchiveBytes = 200 * 1024 * 1024;

/**
 * Returns true for the files of a profile that hold a login: the databases of WhatsApp Web, and the storage of all pages. Everything else
 * is made again by the browser.
 */
export function holdsLogin(path: string): boolean {
  if (/\/(LOCK|LOG|LOG\.old)$/.test(path)) return false;
  return /^Default\/IndexedDB\/https_web\.whatsapp\.com_/.test(path) || path.startsWith("Default/Local Storage/");
}

/**
 * Packs the profile of a login, and records in the login that the archive has its place now. No browser may use it. Rejects with
 * ArchiveUnusable if it is too large; the login is as before then.
 */
export async function packProfile(
  directory: string,
  login: Login,
  archive: FileArchive,
  maxBytes = maxArchiveBytes,
): Promise<void> {
  const measured = new Measured();
  const key = await archive.write(measured.pass(packFiles(directory, holdsLogin), maxBytes));
  await login.setArchived({ key, ...measured.digest() });
}

/**
 * Puts the profile of a login in place that was archived, if it was. From then on the archive is not used again. Rejects with
 * CredentialsUnreadable if it cannot be used.
 */
export async function unpackProfile(directory: string, login: Login, archive: FileArchive | undefined): Promise<void> {
  const { archived } = login;
  if (!archived) return;
  if (!archive) throw new CredentialsUnreadable("The browser profile of the login is with another node");
  const arriving = `${directory}.arriving`;
  await rm(arriving, { recursive: true, force: true });
  try {
    await unpackFiles(archive.read(archived.key), arriving, archived);
  } catch (error) {
    await rm(arriving, { recursive: true, force: true });
    if (!(error instanceof ArchiveUnusable)) throw error;
    throw new CredentialsUnreadable("The archive of the login's browser profile cannot be used", { cause: error });
  }
  await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  await rename(arriving, directory);
  await sync(dirname(directory));
  await login.setUnarchived();
  // The next archive replaces one that is left behind.
  await archive.remove().catch(() => {});
}

/** Makes the names in a directory durable. */
async function sync(directory: string): Promise<void> {
  const handle = await open(directory);
  await handle.sync().finally(() => handle.close());
}
