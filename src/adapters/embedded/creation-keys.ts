import type { SessionRecord } from "../../../gen/sessiond/store/v1/store_pb.js";
import { CreationKeyTaken } from "../../ports/sessions.ts";

/** The idempotency keys of created sessions, in memory. */
export class CreationKeys {
  readonly #sessions = new Map<string, string>();

  constructor(records: Iterable<SessionRecord>) {
    for (const { creation, name } of records) if (creation) this.#sessions.set(creation.idempotencyKey, name);
  }

  /** Returns the name of the session that was created with a key. */
  sessionOf(key: string): string | undefined {
    return this.#sessions.get(key);
  }

  /** Reserves the key of a record about to be written. Throws CreationKeyTaken if another session, which `exists`, has it. */
  claim({ name, creation }: SessionRecord, exists: (session: string) => boolean): void {
    if (!creation) return;
    const owner = this.#sessions.get(creation.idempotencyKey);
    if (owner !== undefined && owner !== name && exists(owner)) {
      throw new CreationKeyTaken(`session "${owner}" was created with the idempotency key of session "${name}"`);
    }
    this.#sessions.set(creation.idempotencyKey, name);
  }
}
