import { randomUUID } from "node:crypto";
import type { Credentials } from "../../ports/engine.ts";
import { CredentialsUnreadable, readCredentials } from "../engine/credentials.ts";
import type { ArchiveDigest } from "./archive-format.ts";

const states = ["unpaired", "paired", "unlinked"] as const;

/** "unlinked": WhatsApp has ended the login, and its profile is removed. */
export type LoginState = (typeof states)[number];

/** The stored form of a login. */
interface Marker {
  /** Names the browser profile that holds the login. */
  readonly id: string;
  readonly state: LoginState;
  /** Set while a phone links the profile: it may hold a login although it is "unpaired". */
  readonly linking?: boolean;
  /** Set while an archive holds the profile: a directory of this name is out of date, or from before. */
  readonly archived?: ArchivedProfile;
}

/** The archive that holds a profile. */
export interface ArchivedProfile extends ArchiveDigest {
  readonly key: string;
}

/** Key of the record in the credentials. */
export const loginKey = "profile";

/** The record of a session's login in its credentials. The login itself is in the browser profile that it names. */
export class Login {
  readonly #credentials: Credentials;
  #marker: Marker;

  /** Use `read` or `create`. */
  constructor(credentials: Credentials, marker: Marker) {
    this.#credentials = credentials;
    this.#marker = marker;
  }

  /** Reads the record, if there is one. Rejects with CredentialsUnreadable or LeaseLost. */
  static async read(credentials: Credentials): Promise<Login | undefined> {
    const [stored] = await readCredentials(credentials, [loginKey]);
    if (!stored) return undefined;
    const marker = parse(stored);
    if (!isMarker(marker)) throw new CredentialsUnreadable("The stored login is damaged");
    return new Login(credentials, marker);
  }

  /** Replaces the record with one of a new, unpaired profile. */
  static async create(credentials: Credentials): Promise<Login> {
    const login = new Login(credentials, { id: randomUUID(), state: "unpaired" });
    await login.#write("unpaired");
    return login;
  }

  /** The name of the profile's directory. */
  get id(): string {
    return this.#marker.id;
  }

  get state(): LoginState {
    return this.#marker.state;
  }

  /** The archive that holds the profile; undefined if a directory does. */
  get archived(): ArchivedProfile | undefined {
    return this.#marker.archived;
  }

  /** Returns true if the profile holds a login, or may hold one because a phone was linking it when its last browser ended. */
  get mayExist(): boolean {
    const { state, linking } = this.#marker;
    return state === "paired" || (state === "unpaired" && linking === true);
  }

  /** Records that a phone is linking the profile. Resolves when that is on disk. */
  async setLinking(): Promise<void> {
    if (!this.mayExist) await this.#write("unpaired", true);
  }

  /** Records that the linking failed. Resolves when that is on disk. */
  async setUnpaired(): Promise<void> {
    if (this.#marker.linking) await this.#write("unpaired");
  }

  /** Records that the profile holds a login. Resolves when that is on disk. */
  async setPaired(): Promise<void> {
    if (this.state !== "paired") await this.#write("paired");
  }

  /** Records that WhatsApp has ended the login. Resolves when that is on disk. */
  async setUnlinked(): Promise<void> {
    await this.#write("unlinked");
  }

  /** Records that an archive holds the profile. Resolves when that is on disk. */
  async setArchived(archived: ArchivedProfile): Promise<void> {
    await this.#store({ ...this.#marker, archived });
  }

  /** Records that the profile's directory holds it again. Resolves when that is on disk. */
  async setUnarchived(): Promise<void> {
    const { archived: _, ...marker } = this.#marker;
    await this.#store(marker);
  }

  async #write(state: LoginState, linking = false): Promise<void> {
    await this.#store({ id: this.id, state, ...(linking && { linking }) });
  }

  async #store(marker: Marker): Promise<void> {
    await this.#credentials.write(new Map([[loginKey, Buffer.from(JSON.stringify(marker))]]));
    this.#marker = marker;
  }
}

/** Returns whether a session's profile may hold a login. Rejects with CredentialsUnreadable or LeaseLost. */
export async function hasLogin(credentials: Credentials): Promise<boolean> {
  return (await Login.read(credentials))?.mayExist ?? false;
}

/** Returns true if a stored record says that an archive holds the profile. */
export function isArchived(stored: Uint8Array): boolean {
  const marker = parse(stored);
  return isMarker(marker) && marker.archived !== undefined;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return undefined;
  }
}

/** Checks the id strictly, because it becomes part of a path. */
function isMarker(value: unknown): value is Marker {
  if (typeof value !== "object" || value === null) return false;
  const { id, state } = value as Partial<Marker>;
  return typeof id === "string" && /^[0-9a-f-]{36}$/.test(id) && states.some((known) => known === state);
}
