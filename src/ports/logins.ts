/**
 * Logins of people in browsers. A login is known by its secret, of which only a hash is stored. It ends at its age, after a time
 * without use, or when it is ended.
 */
export interface Logins {
  /** Opens a login and returns its secret. */
  open(): string;
  /** Returns whether a login is open. Does not count as use. */
  isOpen(secret: string): boolean;
  /** Returns whether a login is open, and counts as use of it. */
  use(secret: string): boolean;
  /** Ends a login. Idempotent. */
  end(secret: string): void;
  /** Calls `callback` once when `end` ends an open login. The function returned cancels it and may be called at any time. */
  onEnd(secret: string, callback: () => void): () => void;
}
