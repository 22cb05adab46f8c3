import type { EngineEvent } from "../../ports/engine.ts";

/** WhatsApp gives out six codes in a round; the first lives longer (wire.md, section 3). */
const codesPerRound = 6;
const firstLifeMs = 60_000;
const nextLifeMs = 20_000;
/** At the end of a round the page says so; if it does not, it is given up this much later. */
const graceMs = 10_000;

/** The codes that an engine shows one after another. */
export class QrRound {
  readonly #lifeMs: number | undefined;
  #shown = 0;
  #value: string | undefined;
  /** How many codes had been shown when the page was last asked for more. */
  #refreshedAfter = -1;

  /** `lifeMs`: how long each code lives; WhatsApp's rhythm if left out. */
  constructor(lifeMs?: number) {
    this.#lifeMs = lifeMs;
  }

  /** What to report of a code that the page shows now, and when the round is given up; undefined for the one it shows already. "over": it is one too many. */
  next(
    value: string,
    nowMs: number,
  ): { readonly event: Extract<EngineEvent, { type: "qr" }>; readonly limitMs: number } | "over" | undefined {
    if (value === this.#value) return undefined;
    if (this.#shown >= codesPerRound) return "over";
    this.#value = value;
    this.#shown += 1;
    const lifeMs = this.#lifeMs ?? (this.#shown === 1 ? firstLifeMs : nextLifeMs);
    const remaining = codesPerRound - this.#shown;
    const event = { value, serial: this.#shown, remaining, issuedAtMs: nowMs, expiresAtMs: nowMs + lifeMs };
    return {
      event: { type: "qr", ...event },
      limitMs: lifeMs + remaining * (this.#lifeMs ?? nextLifeMs) + graceMs,
    };
  }

  /** The page shows no more codes by itself: whether it is to be asked for more, since the round is not over. */
  asksForMore(): boolean {
    const asks = this.#shown < codesPerRound && this.#refreshedAfter < this.#shown;
    this.#refreshedAfter = this.#shown;
    return asks;
  }
}
