/** The header a ticket comes in, put there by whoever has read it from a stream's address. */
export const ticketHeader = "x-stream-ticket";

/** Makes what must not be guessed, and tells the time. */
export interface StreamTicketsOptions {
  nowMs(): number;
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

  /** A new ticket for a key; "" for a caller who needs none. */
  issue(key: string): { ticket: string; expiresAtMs: number } {
    this.#removeExpired();
    const ticket = this.#options.randomHex(ticketBytes);
    const expiresAtMs = this.#options.nowMs() + lifetimeMs;
    this.#tickets.set(ticket, { key, expiresAtMs });
    return { ticket, expiresAtMs };
  }

  /** The key a ticket stands for; undefined if it does no longer, or never did. */
  keyOf(ticket: string): string | undefined {
    this.#removeExpired();
    return this.#tickets.get(ticket)?.key;
  }

  #removeExpired(): void {
    const nowMs = this.#options.nowMs();
    for (const [ticket, { expiresAtMs }] of this.#tickets) {
      if (expiresAtMs > nowMs && this.#tickets.size < maxTickets) return;
      this.#tickets.delete(ticket);
    }
  }
}
