import type { Credentials } from "../../ports/engine.ts";
import { readCredentials } from "../engine/credentials.ts";

const storedKey = "undecrypted";
/** Bounds the list, since some messages are never decrypted. */
const maxIds = 100;

/**
 * Ids of messages that the page cannot decrypt yet, in the session's credentials. Newer messages are reported before them, so the next
 * page cannot find them by the time of the newest reported message.
 */
export class Undecrypted {
  readonly #credentials: Credentials;
  readonly #ids: Set<string>;

  /** Use `open`. */
  constructor(credentials: Credentials, ids: readonly string[]) {
    this.#credentials = credentials;
    this.#ids = new Set(ids);
  }

  /** Reads the ids that earlier engines have left. Rejects with CredentialsUnreadable or LeaseLost. */
  static async open(credentials: Credentials): Promise<Undecrypted> {
    const [stored] = await readCredentials(credentials, [storedKey]);
    return new Undecrypted(credentials, stored ? idsIn(stored) : []);
  }

  /** The ids, oldest first. */
  get ids(): readonly string[] {
    return [...this.#ids];
  }

  /** Adds an id; removes the oldest of too many. The id is on disk when it resolves. */
  async add(id: string): Promise<void> {
    if (this.#ids.has(id)) return;
    this.#ids.add(id);
    for (const oldest of this.#ids) {
      if (this.#ids.size <= maxIds) break;
      this.#ids.delete(oldest);
    }
    await this.#write();
  }

  /** Removes an id; does nothing if it is unknown. */
  async remove(id: string): Promise<void> {
    if (this.#ids.delete(id)) await this.#write();
  }

  #write(): Promise<void> {
    const bytes = this.#ids.size > 0 ? Buffer.from(JSON.stringify(this.ids)) : null;
    return this.#credentials.write(new Map([[storedKey, bytes]]));
  }
}

/** Returns the stored ids; none if they are damaged, since the login does not depend on them. */
function idsIn(bytes: Uint8Array): string[] {
  try {
    const ids: unknown = JSON.parse(Buffer.from(bytes).toString());
    return Array.isArray(ids) ? ids.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}
