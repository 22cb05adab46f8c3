import type { ChatStore, Credentials, EngineData } from "../../ports/engine.ts";
import type { EngineDataStore } from "../../ports/engine-data.ts";
import type { Lease } from "../../ports/sessions.ts";
import { type DataStore, guardedData } from "../embedded/guarded-data.ts";
import type { DataKind } from "../embedded/ownership.ts";
import type { MemoryJournal } from "./journal.ts";

type Bytes = Map<string, Uint8Array>;

/** Engine data by session, in maps. */
export class MemoryEngineData implements EngineDataStore {
  readonly #journal: MemoryJournal;
  readonly #data = { credentials: new Map<string, Bytes>(), chats: new Map<string, Bytes>() };

  constructor(journal: MemoryJournal) {
    this.#journal = journal;
  }

  credentials(lease: Lease): Credentials {
    return this.#handle(lease, "credentials");
  }

  chats(lease: Lease): ChatStore {
    return this.#handle(lease, "chats");
  }

  /** Copies a session's credentials to another name. Returns whether there are any. */
  copyCredentials(session: string, to: string): boolean {
    const credentials = this.#data.credentials.get(session);
    if (!credentials?.size) return false;
    this.#data.credentials.set(to, credentials);
    return true;
  }

  /** Removes all engine data of a session and ends all handles on it. */
  wipe(session: string): void {
    this.#data.credentials.delete(session);
    this.#data.chats.delete(session);
    this.#journal.ownership.endHandles(session);
  }

  #handle(lease: Lease, kind: DataKind): EngineData {
    const { ownership } = this.#journal;
    return guardedData(ownership.handle(lease, kind), this.#bytes(lease.session, this.#data[kind]));
  }

  #bytes(session: string, data: Map<string, Bytes>): DataStore {
    return {
      read: async (keys) => {
        this.#journal.assertOpen();
        return keys.map((key) => data.get(session)?.get(key)?.slice());
      },
      write: async (changes) => {
        this.#journal.assertOpen();
        const bytes = data.get(session) ?? new Map<string, Uint8Array>();
        data.set(session, bytes);
        for (const [key, value] of changes) {
          if (value) bytes.set(key, value);
          else bytes.delete(key);
        }
      },
    };
  }
}
