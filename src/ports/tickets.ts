/** A ticket that was issued. */
export interface Ticket {
  readonly ticket: string;
  /** Unix time in milliseconds. */
  readonly expiresAtMs: number;
}

/**
 * Short-lived stand-ins for API keys, for clients that cannot send a header with a stream. Every node that clients may reach must
 * accept a ticket: the tickets of one process are in its memory, those of several carry a signature.
 */
export interface Tickets {
  /** Issues a ticket for a key; "" is the key of a caller that needs none. */
  issue(key: string): Ticket;
  /** Returns the key that a ticket stands for; undefined if it has expired or was never issued. */
  keyOf(ticket: string): string | undefined;
}
