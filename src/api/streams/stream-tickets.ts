import type { Clock } from "../../app/shown-time.ts";

/** The header a ticket comes in, put there by whoever has read it from a stream's address. */
export const ticketHeader = "x-stream-ticket";

/** Makes what must not be guessed, and measures how long it counts. */
export interface StreamTicketsOptions {
  readonly clock: Pick<Clock, "nowMs" | "wallMsAt">;
  /** That many random bytes as text. */
  randomHex(bytes: number): string;
}

/** Long enough to open a stream, and to open it again after a hiccup; short enough to be worthless in a log. */
const lifetimeMs = 60_000;
const ticketBytes = 32;
/** More than anybody needs within a minute. */
const maxTickets = 10_000;

/** Short-lived stand-ins for keys, in memory only. */
export class StreamTickets {
  readonly #options: StreamTicketsOptions;
  /** In the order they expire. */
  readonly #tickets = new Map<string, { readonly key: string; readonly expiresAtMs: number }>();

  constructor(options: StreamTicketsOptions) {
    this.#options = options;
  }

  /** A new ticket for a key, and the Unix time (ms) when it expires; "" for a caller who needs none. */
  issue(key: string): { ticket: string; expiresAtMs: number } {
    this.#removeExpired();
    const ticket = this.#options.randomHex(ticketBytes);
    const { clock } = this.#options;
    const expiresAtMs = clock.nowMs() + lifetimeMs;
    this.#tickets.set(ticket, { key, expiresAtMs });
    return { ticket, expiresAtMs: clock.wallMsAt(expiresAtMs) };
  }

  /** The key a ticket stands for; undefined if it does no longer, or never did. */
  keyOf(ticket: string): string | undefined {
    this.#removeExpired();
    return this.#tickets.get(ticket)?.key;
  }

  #removeExpired(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [ticket, { expiresAtMs }] of this.#tickets) {
      if (expiresAtMs > nowMs && this.#tickets.size < maxTickets) return;
      this.#tickets.delete(ticket);
    }
  }
}
