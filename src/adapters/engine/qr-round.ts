import type { EngineEvent } from "../../ports/engine.ts";

/** WhatsApp gives out six codes in a round; the first one lives longer (wire.md, section 3; Baileys, lib/Socket/socket.js). */
const codesPerRound = 6;
const firstLifeMs = 60_000;
const nextLifeMs = 20_000;
/** A client reports the end of a round itself. If it does not, the engine gives up this much later. */
const graceMs = 10_000;

/** A code to report, and how long the engine waits for a phone from now on. */
export interface ShownQr {
  readonly event: Extract<EngineEvent, { type: "qr" }>;
  readonly limitMs: number;
}

/** Counts the codes that an engine shows one after another, and tells how long each one lives. */
export class QrRound {
  readonly #lifeMs: number | undefined;
  #total = codesPerRound;
  #shown = 0;
  #value: string | undefined;
  /** Number of codes shown when the page was last asked for more. */
  #refreshedAfter = -1;

  /** `lifeMs`: the lifetime of every code; WhatsApp's rhythm if left out. */
  constructor(lifeMs?: number) {
    this.#lifeMs = lifeMs;
  }

  /** Sets how many codes are still to come, for a client that is told by WhatsApp. */
  expect(count: number): void {
    this.#total = this.#shown + count;
  }

  /** Returns the event for a code that is shown now; undefined if it is the current one, "over" if the round has no code left. */
  next(value: string, nowMs: number): ShownQr | "over" | undefined {
    if (value === this.#value) return undefined;
    if (this.#shown >= this.#total) return "over";
    this.#value = value;
    this.#shown += 1;
    const lifeMs = this.#lifeMs ?? (this.#shown === 1 ? firstLifeMs : nextLifeMs);
    const remaining = this.#total - this.#shown;
    const event = { value, serial: this.#shown, remaining, issuedAtMs: nowMs, expiresAtMs: nowMs + lifeMs };
    return {
      event: { type: "qr", ...event },
      limitMs: lifeMs + remaining * (this.#lifeMs ?? nextLifeMs) + graceMs,
    };
  }

  /** Returns whether a page that shows no more codes is to be asked for the rest of the round. False if it was asked since the last code. */
  takeRefresh(): boolean {
    const isNeeded = this.#shown < this.#total && this.#refreshedAfter < this.#shown;
    this.#refreshedAfter = this.#shown;
    return isNeeded;
  }
}
