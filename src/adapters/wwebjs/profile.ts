import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Credentials } from "../../ports/engine.ts";
import { LeaseLost } from "../../ports/sessions.ts";
import { killAll, processesUsing } from "./processes.ts";
import { writingTemporaryFiles } from "./temporary-directory.ts";

/** The stored login is there and of no use: neither a reason for a new one nor to remove anything. */
export class CredentialsUnreadable extends Error {
  override readonly name = "CredentialsUnreadable";
}

const states = ["unpaired", "paired", "unlinked"] as const;

/** What a session's credentials say of its profile: a login is worth only as much as the profile it lies in. */
interface Marker {
  readonly id: string;
  /** "unlinked": WhatsApp has ended the login, and the profile is of no more use. */
  readonly state: (typeof states)[number];
  /** A phone was linking it when this was written: it may hold a login although it is "unpaired". */
  readonly linking?: boolean;
}

const markerKey = "profile";
/** What Chromium leaves behind when it is killed, and takes for another one's that still runs when the host has a new name. */
const lockFiles = ["SingletonLock", "SingletonSocket", "SingletonCookie"];
/** A killed process is gone in a moment; a stuck disk can hold it for longer. */
const killLimitMs = 5_000;

const digest = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 32);

/** The directory in which a session's profiles lie. */
export const sessionDirectory = (profilesDirectory: string, session: string): string =>
  join(profilesDirectory, digest(session));

/** For a browser's temporary files: short, as the path of a socket has to be. */
export const temporaryDirectoryOf = (profileDirectory: string): string =>
  join(tmpdir(), `sessiond-${digest(profileDirectory).slice(0, 12)}`);

/** Removes a session's profiles. Nothing may be running in them. */
export async function removeProfiles(profilesDirectory: string, session: string): Promise<void> {
  const home = sessionDirectory(profilesDirectory, session);
  for (const id of await readdir(home).catch(() => [])) await remove(temporaryDirectoryOf(join(home, id)));
  await remove(home);
}

const remove = (path: string) => rm(path, { recursive: true, force: true, maxRetries: 3 });

/** Whether a session's profile may hold a login. Rejects with CredentialsUnreadable or what the port rejects with. */
export async function hasLogin(credentials: Credentials): Promise<boolean> {
  const marker = await readMarker(credentials);
  return marker !== undefined && mayHoldLogin(marker);
}

/** Moves the profile that the credentials name from a session to another owner. Does nothing if it is not there. */
export async function moveProfile(
  profilesDirectory: string,
  [from, to]: readonly [session: string, owner: string],
  credentials: Credentials,
): Promise<void> {
  const marker = await readMarker(credentials);
  if (!marker) return;
  const [source, home] = [
    join(sessionDirectory(profilesDirectory, from), marker.id),
    sessionDirectory(profilesDirectory, to),
  ];
  if (!(await isDirectory(source))) return;
  await endUsers(source);
  await remove(temporaryDirectoryOf(source));
  await mkdir(home, { recursive: true, mode: 0o700 });
  await rename(source, join(home, marker.id));
}

const mayHoldLogin = ({ state, linking }: Pick<Marker, "state" | "linking">): boolean =>
  state === "paired" || (state === "unpaired" && linking === true);

/** Ends the processes that use a profile. */
async function endUsers(directory: string): Promise<void> {
  const users = await processesUsing(directory);
  if (!(await killAll(users, killLimitMs))) throw new Error("another browser runs in the profile and does not end");
}

/** A browser profile that belongs to the login in the session's credentials. */
export class Profile {
  /** The value of --user-data-dir. */
  readonly directory: string;
  readonly temporaryDirectory: string;
  readonly #credentials: Credentials;
  readonly #id: string;
  #state: Marker["state"];
  #linking: boolean;

  /** Use `open`. */
  constructor(home: string, { id, state, linking = false }: Marker, credentials: Credentials) {
    this.directory = join(home, id);
    this.temporaryDirectory = temporaryDirectoryOf(this.directory);
    this.#credentials = credentials;
    this.#id = id;
    this.#state = state;
    this.#linking = linking;
  }

  /**
   * The profile that the credentials name, or a fresh one where they name none; what is left of older ones is removed. Rejects
   * with CredentialsUnreadable, also when the login's profile is gone, or with what the port rejects with.
   */
  static async open(profilesDirectory: string, session: string, credentials: Credentials): Promise<Profile> {
    const home = sessionDirectory(profilesDirectory, session);
    const marker = await readMarker(credentials);
    const known = marker && new Profile(home, marker, credentials);
    if (known?.state === "unlinked") return known;
    if (known && (await isDirectory(known.directory))) {
      await known.#free();
      return known;
    }
    if (known?.state === "paired") throw new CredentialsUnreadable("The browser profile of the login is missing");
    const fresh = new Profile(home, { id: randomUUID(), state: "unpaired" }, credentials);
    await fresh.#write("unpaired");
    await removeProfiles(profilesDirectory, session);
    await mkdir(fresh.directory, { recursive: true, mode: 0o700 });
    await fresh.#free();
    return fresh;
  }

  get state(): Marker["state"] {
    return this.#state;
  }

  /** Whether the profile holds a login, or may hold one that was being linked when its last browser ended. */
  get mayHoldLogin(): boolean {
    return mayHoldLogin({ state: this.#state, linking: this.#linking });
  }

  /** Records that a phone is linking the profile. */
  async setLinking(): Promise<void> {
    if (this.mayHoldLogin) return;
    await this.#write("unpaired", true);
  }

  /** Records that the linking came to nothing. */
  async setUnpaired(): Promise<void> {
    if (this.#linking) await this.#write("unpaired");
  }

  /** Records that the profile holds a login; resolves when that is durable. */
  async setPaired(): Promise<void> {
    if (this.#state !== "paired") await this.#write("paired");
  }

  /** Records that WhatsApp has ended the login, and removes it. The browser must be closed. */
  async retire(): Promise<void> {
    await this.#write("unlinked");
    await remove(this.directory);
  }

  /** Removes what the browser has left for no later use. */
  async tidy(): Promise<void> {
    await remove(this.temporaryDirectory);
  }

  /** Ends whatever still runs in the profile: whoever holds the session's lease is its only rightful user. */
  async #free(): Promise<void> {
    await endUsers(this.directory);
    for (const name of lockFiles) await rm(join(this.directory, name), { force: true });
    await writingTemporaryFiles(async () => {
      await this.tidy();
      await mkdir(this.temporaryDirectory, { mode: 0o700 });
    });
  }

  async #write(state: Marker["state"], linking = false): Promise<void> {
    const marker: Marker = { id: this.#id, state, ...(linking && { linking }) };
    await this.#credentials.write(new Map([[markerKey, Buffer.from(JSON.stringify(marker))]]));
    this.#state = state;
    this.#linking = linking;
  }
}

async function readMarker(credentials: Credentials): Promise<Marker | undefined> {
  const [stored] = await credentials.read([markerKey]).catch((error: unknown) => {
    if (error instanceof LeaseLost) throw error;
    throw new CredentialsUnreadable("The stored login could not be read", { cause: error });
  });
  if (!stored) return undefined;
  const marker = parsed(stored);
  if (!isMarker(marker)) throw new CredentialsUnreadable("The stored login is damaged");
  return marker;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return undefined;
  }
}

/** The id becomes part of a path. */
function isMarker(value: unknown): value is Marker {
  if (typeof value !== "object" || value === null) return false;
  const { id, state } = value as Partial<Marker>;
  return typeof id === "string" && /^[0-9a-f-]{36}$/.test(id) && states.some((known) => known === state);
}

const isDirectory = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return false;
      throw new CredentialsUnreadable("The browser profile of the login cannot be read", { cause: error });
    },
  );
