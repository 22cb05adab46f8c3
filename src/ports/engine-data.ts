import type { ChatStore, Credentials } from "./engine.ts";
import type { Lease } from "./sessions.ts";

/** The data that engines store between their lives, by session. */
export interface EngineDataStore {
  /** Returns a new handle on the session's credentials and ends the previous one. */
  credentials(lease: Lease): Credentials;
  /** Returns a new handle on the session's chats and ends the previous one. */
  chats(lease: Lease): ChatStore;
}
