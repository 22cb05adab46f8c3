import type { WASocket } from "@whiskeysockets/baileys";
import type { Clock } from "../../ports/system.ts";
import type { People } from "../engine/people.ts";
import { jidOf } from "./name-sources.ts";
import { SmallCache } from "./small-cache.ts";

/** WhatsApp limits how many numbers a client may look up. */
const memory = { ttlMs: 24 * 60 * 60_000, entries: 500 };

/** Finds the accounts of phone numbers, and remembers the answers for a day. */
export class Accounts {
  readonly #answers: SmallCache;

  constructor(clock: Clock) {
    this.#answers = new SmallCache(clock, memory);
  }

  /**
   * Returns the JID of a number's account; undefined if it has none. The JID may have other digits: numbers in Brazil have accounts with
   * and without their ninth digit. Rejects if WhatsApp does not answer.
   */
  async find(number: string, socket: WASocket): Promise<string | undefined> {
    const known = this.#answers.get<{ jid: string | undefined }>(number);
    if (known) return known.jid;
    const answers = await socket.onWhatsApp(number);
    if (!answers) throw new Error("WhatsApp did not answer the look-up of a number");
    const jid = answers.find(({ exists }) => Boolean(exists))?.jid;
    this.#answers.set(number, { jid });
    return jid;
  }

  /** As `find`, for a number before a message is sent to it. People with a known LID need no look-up. */
  async addressee(chatId: string, socket: WASocket, people: People): Promise<string | undefined> {
    if ((await people.otherOf(chatId)) !== undefined) return jidOf(chatId);
    return this.find(chatId.slice(0, chatId.indexOf("@")), socket);
  }
}
