import type { Clock, Random } from "../../ports/system.ts";
import type { Credential, Ticket, Tickets } from "../../ports/tickets.ts";

/** The clock and the random numbers that tickets are made with. */
export interface ProcessTicketsOptions {
  readonly clock: Pick<Clock, "nowMs" | "wallMsAt">;
  readonly random: Pick<Random, "hex">;
}

/** Long enough to open a stream and to reopen it after a failure; short enough to be worthless in a log. */
const lifetimeMs = 60_000;
const ticketBytes = 32;
/** More than clients need within a minute. */
const maxTickets = 10_000;

/** Tickets in the memory of this process. */
export class ProcessTickets implements Tickets {
  readonly #options: ProcessTicketsOptions;
  /** In the order in which they expire. */
  readonly #tickets = new Map<string, { readonly credential: Credential; readonly expiresAtMs: number }>();

  constructor(options: ProcessTicketsOptions) {
    this.#options = options;
  }

  issue(credential: Credential): Ticket {
    this.#removeExpired();
    const ticket = this.#options.random.hex(ticketBytes);
    const { clock } = this.#options;
    const expiresAtMs = clock.nowMs() + lifetimeMs;
    this.#tickets.set(ticket, { credential, expiresAtMs });
    return { ticket, expiresAtMs: clock.wallMsAt(expiresAtMs) };
  }

  credentialOf(ticket: string): Credential | undefined {
    this.#removeExpired();
    return this.#tickets.get(ticket)?.credential;
  }

  #removeExpired(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [ticket, { expiresAtMs }] of this.#tickets) {
      if (expiresAtMs > nowMs && this.#tickets.size < maxTickets) return;
      this.#tickets.delete(ticket);
    }
  }
}
