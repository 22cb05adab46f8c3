import type { Clock } from "../../ports/system.ts";

/** WhatsApp limits how many numbers a client may look up. */
const ttlMs = 24 * 60 * 60_000;
const maxAnswers = 500;

/** Asks WhatsApp for the id of a number's account; null if it has none. */
export type LookUp = (number: string) => Promise<string | null>;

/** Finds the accounts of phone numbers, and remembers the answers for a day. */
export class Accounts {
  readonly #clock: Clock;
  readonly #answers = new Map<string, { readonly id: string | null; readonly endsAtMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Returns the page's id of a number's account; null if it has none. It may have other digits: numbers in Brazil have accounts with and
   * without their ninth digit. Rejects if WhatsApp does not answer.
   */
  async find(number: string, lookUp: LookUp): Promise<string | null> {
    const known = this.#answers.get(number);
    if (known && known.endsAtMs > this.#clock.nowMs()) return known.id;
    const id = await lookUp(number);
    this.#answers.delete(number);
    this.#answers.set(number, { id, endsAtMs: this.#clock.nowMs() + ttlMs });
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= maxAnswers) break;
      this.#answers.delete(oldest);
    }
    return id;
  }
}
