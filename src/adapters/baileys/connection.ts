import type { WASocket } from "@whiskeysockets/baileys";
import type { Person } from "../engine/chat-id.ts";
import type { People } from "../engine/people.ts";

/** A connection that is logged in. */
export interface Connection {
  readonly socket: WASocket;
  readonly people: People;
  readonly me: Person;
}
