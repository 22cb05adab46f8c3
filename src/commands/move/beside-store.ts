import { access } from "node:fs/promises";
import { syncDirectory } from "../../adapters/level/store/data-directory.ts";
import { readStoredKey, sharedKeyName, storeKey } from "../../adapters/node/api-key.ts";
import type { PostgresSource } from "../../adapters/postgres/transfer/source.ts";
import { isArchived, loginKey } from "../../adapters/wwebjs/login.ts";
import { sessionDirectory } from "../../adapters/wwebjs/profile.ts";
import { MoveRefused } from "./move-store.ts";

/** Number of sessions that a line names. */
const named = 20;

/**
 * Rejects if a session's browser profile is in an archive of the database, as after the death of a node that was about to unpack it: a
 * store in a directory has no archives, so the login would be left behind.
 */
export async function refuseArchives(source: PostgresSource): Promise<void> {
  const archived: string[] = [];
  for await (const { session, value } of source.credentialsOf(loginKey)) if (isArchived(value)) archived.push(session);
  if (archived.length === 0) return;
  throw new MoveRefused(
    `the browser profiles of these WEBJS sessions are on their way from one node to another, in the database: ${list(archived)}. ` +
      "Start sessiond on the database in this data directory, wait until they are WORKING, stop it, and move then. Nothing has changed",
  );
}

/** Returns lines about the browser profiles that are in the data directories of other nodes than the one in `base`. */
export async function describeProfilesElsewhere(source: PostgresSource, base: string): Promise<string[]> {
  const elsewhere: string[] = [];
  for (const { session, node } of await source.homes()) {
    const directory = sessionDirectory(`${base}/webjs`, session);
    const isHere = await access(directory).then(
      () => true,
      () => false,
    );
    if (!isHere) elsewhere.push(`${session} (node ${node}, ${directory.slice(base.length + 1)})`);
  }
  if (elsewhere.length === 0) return [];
  return [
    `Browser profiles of WEBJS sessions are in the data directories of other nodes. Copy them to ${base} before you start sessiond, or ` +
      `these sessions fail until you do: ${list(elsewhere)}`,
  ];
}

/** Takes along the hash of the API key that a cluster has made, unless the directory has one. Returns lines about it. Idempotent. */
export async function carryKey(source: PostgresSource, base: string): Promise<string[]> {
  const value = await source.sharedValue(sharedKeyName);
  if (!value) return [];
  const path = `${base}/api-key.sha512`;
  const shared = Buffer.from(value).toString();
  const own = await readStoredKey(path);
  if (own === shared) return [];
  if (own !== undefined) return [`The API key of ${path} is valid again, in place of the cluster's.`];
  await storeKey(path, shared, syncDirectory);
  return [`The API key that the cluster had made is valid here too: its hash is in ${path}.`];
}

const list = (texts: readonly string[]): string => {
  const rest = texts.length - named;
  return texts.slice(0, named).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
};
