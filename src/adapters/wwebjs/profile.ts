import { createHash } from "node:crypto";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Credentials } from "../../ports/engine.ts";
import type { FileArchive } from "../../ports/profiles.ts";
import { CredentialsUnreadable } from "../engine/credentials.ts";
import { Login } from "./login.ts";
import { killAll, processesUsing } from "./processes.ts";
import { packProfile, unpackProfile } from "./profile-archive.ts";
import { writingTemporaryFiles } from "./temporary-directory.ts";

/** Lock files that a killed Chromium leaves behind. If the host's name has changed, it takes them for those of a running browser. */
const lockFiles = ["SingletonLock", "SingletonSocket", "SingletonCookie"];
/** Time for killed processes to end; a stuck disk can delay that. */
const killLimitMs = 5_000;

const digest = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 32);

/** Returns the directory of a session's profiles. */
export const sessionDirectory = (profilesDirectory: string, session: string): string =>
  join(profilesDirectory, digest(session));

/** Returns the directory for a browser's temporary files. The path is short because a socket's path must be. */
export const temporaryDirectoryOf = (profileDirectory: string): string =>
  join(tmpdir(), `sessiond-${digest(profileDirectory).slice(0, 12)}`);

/** Removes a session's profiles. No browser may be running in them. */
export async function removeProfiles(profilesDirectory: string, session: string): Promise<void> {
  const home = sessionDirectory(profilesDirectory, session);
  for (const id of await readdir(home).catch(() => [])) await remove(temporaryDirectoryOf(join(home, id)));
  await remove(home);
}

const remove = (path: string) => rm(path, { recursive: true, force: true, maxRetries: 3 });

/** Moves the profile that the credentials name from a session to another owner. Does nothing if there is no profile. */
export async function moveProfile(
  profilesDirectory: string,
  [from, to]: readonly [session: string, owner: string],
  credentials: Credentials,
): Promise<void> {
  const login = await Login.read(credentials);
  if (!login) return;
  const source = join(sessionDirectory(profilesDirectory, from), login.id);
  const home = sessionDirectory(profilesDirectory, to);
  if (!(await isDirectory(source))) return;
  await killUsers(source);
  await remove(temporaryDirectoryOf(source));
  await mkdir(home, { recursive: true, mode: 0o700 });
  await rename(source, join(home, login.id));
}

/** Archives the profile that the credentials name, if it may hold a login. No browser may be running in it. Rejects as `packProfile`. */
export async function archiveProfile(
  profilesDirectory: string,
  session: string,
  credentials: Credentials,
  archive: FileArchive,
): Promise<void> {
  const login = await Login.read(credentials);
  if (!login?.mayExist || login.archived) return;
  const directory = join(sessionDirectory(profilesDirectory, session), login.id);
  await killUsers(directory);
  await packProfile(directory, login, archive);
}

/** Kills the processes that use a profile. */
async function killUsers(directory: string): Promise<void> {
  const users = await processesUsing(directory);
  if (!(await killAll(users, killLimitMs))) throw new Error("another browser runs in the profile and does not end");
}

/** The browser profile that holds the login of a session. */
export class Profile {
  readonly login: Login;
  /** The value of --user-data-dir. */
  readonly directory: string;
  readonly temporaryDirectory: string;

  /** Use `open`. */
  constructor(home: string, login: Login) {
    this.login = login;
    this.directory = join(home, login.id);
    this.temporaryDirectory = temporaryDirectoryOf(this.directory);
  }

  /**
   * Opens the profile that the credentials name, or creates one where they name none and removes older ones. Rejects with
   * CredentialsUnreadable, also when the login's profile is missing, or as the port does.
   */
  static async open(
    profilesDirectory: string,
    session: string,
    credentials: Credentials,
    archive?: FileArchive,
  ): Promise<Profile> {
    const home = sessionDirectory(profilesDirectory, session);
    const login = await Login.read(credentials);
    const known = login && new Profile(home, login);
    if (known?.login.archived) await known.#unpack(archive);
    if (known?.login.state === "unlinked") return known;
    if (known && (await isDirectory(known.directory))) {
      await known.#prepare();
      return known;
    }
    if (login?.state === "paired") throw new CredentialsUnreadable("The browser profile of the login is missing");
    const fresh = new Profile(home, await Login.create(credentials));
    await removeProfiles(profilesDirectory, session);
    await mkdir(fresh.directory, { recursive: true, mode: 0o700 });
    await fresh.#prepare();
    return fresh;
  }

  /** Removes the profile of a login that WhatsApp has ended, and records that. The browser must be closed. */
  async retire(): Promise<void> {
    await this.login.setUnlinked();
    await remove(this.directory);
  }

  /** Removes the browser's temporary files. */
  async tidy(): Promise<void> {
    await remove(this.temporaryDirectory);
  }

  async #unpack(archive: FileArchive | undefined): Promise<void> {
    await killUsers(this.directory);
    await mkdir(dirname(this.directory), { recursive: true, mode: 0o700 });
    await unpackProfile(this.directory, this.login, archive);
  }

  /** Kills any browser that still runs in the profile, since only the holder of the session's lease may use it, and removes its leftovers. */
  async #prepare(): Promise<void> {
    await killUsers(this.directory);
    for (const name of lockFiles) await rm(join(this.directory, name), { force: true });
    await writingTemporaryFiles(async () => {
      await this.tidy();
      await mkdir(this.temporaryDirectory, { mode: 0o700 });
    });
  }
}

const isDirectory = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return false;
      throw new CredentialsUnreadable("The browser profile of the login cannot be read", { cause: error });
    },
  );
