import type { WASocket } from "@whiskeysockets/baileys";
import { TokenBucket } from "../../domain/rate.ts";
import { SendRefused } from "../../ports/sending.ts";
import type { Clock } from "../../ports/system.ts";
import type { People } from "../engine/people.ts";
import { jidOf } from "./name-sources.ts";
import { SmallCache } from "./small-cache.ts";

/** WhatsApp limits how many numbers a client may look up. */
const memory = { ttlMs: 24 * 60 * 60_000, entries: 500 };

/** Numbers that callers may look up at once, and per second from then on. WhatsApp answers a crowd of them with 403 and 503. */
const lookUps = { perSecond: 0.5, burst: 50 };

/** Finds the accounts of phone numbers, and remembers the answers for a day. */
export class Accounts {
  readonly #clock: Clock;
  readonly #answers: SmallCache;
  readonly #asked = new Map<string, Promise<string | undefined>>();
  readonly #bucket = new TokenBucket(lookUps);

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#answers = new SmallCache(clock, memory);
  }

  /** As `find`, for a caller that checks a number. Rejects with SendRefused beyond the rate. */
  async check(number: string, socket: WASocket): Promise<string | undefined> {
    if (this.#answers.get(number) || this.#asked.has(number)) return this.find(number, socket);
    const nowMs = this.#clock.nowMs();
    const waitMs = this.#bucket.takeNow(nowMs);
    if (waitMs === 0) return this.find(number, socket);
    const message = "the session has looked up too many numbers; WhatsApp would refuse more";
    throw new SendRefused("TOO_MANY_CHECKS", message, this.#clock.wallMs() + waitMs);
  }

  /**
   * Returns the JID of a number's account; undefined if it has none. The JID may have other digits: numbers in Brazil have accounts with
   * and without their ninth digit. Rejects if WhatsApp does not answer.
   */
  async find(number: string, socket: WASocket): Promise<string | undefined> {
    const known = this.#answers.get<{ jid: string | undefined }>(number);
    if (known) return known.jid;
    const asked = this.#asked.get(number) ?? this.#ask(number, socket);
    this.#asked.set(number, asked);
    try {
      return await asked;
    } finally {
      if (this.#asked.get(number) === asked) this.#asked.delete(number);
    }
  }

  async #ask(number: string, socket: WASocket): Promise<string | undefined> {
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
