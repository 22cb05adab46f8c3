/** Proof of a caller's rights: an API key, "" for a caller that needs none, the secret of a dashboard login, or a pairing link's token. */
export type Credential =
  | { readonly kind: "key"; readonly key: string }
  | { readonly kind: "login"; readonly secret: string }
  | { readonly kind: "pairing_link"; readonly token: string };

/** A ticket that was issued. */
export interface Ticket {
  readonly ticket: string;
  /** Unix time in milliseconds. */
  readonly expiresAtMs: number;
}

/**
 * Short-lived stand-ins for credentials, for clients that cannot send a header with a stream. Every node that clients may reach must
 * accept a ticket: the tickets of one process are in its memory, those of several carry a signature.
 */
export interface Tickets {
  /** Issues a ticket for a credential. */
  issue(credential: Credential): Ticket;
  /** Returns the credential that a ticket stands for; undefined if it has expired or was never issued. */
  credentialOf(ticket: string): Credential | undefined;
}
