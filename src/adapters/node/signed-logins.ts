import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import type { Logins } from "../../ports/logins.ts";
import type { WallClock } from "../../ports/system.ts";

/** A login that was ended before it expired. */
interface EndedLogin {
  readonly id: string;
  /** Unix time. */
  readonly expiresAtMs: number;
}

/** Options for logins that all nodes of a cluster accept. */
export interface SignedLoginsOptions {
  readonly clock: WallClock;
  /** Secret of the cluster. */
  readonly secret: Uint8Array;
  /** Digest of the key and the password that logins are opened with. Another key ends all logins. */
  readonly proofs: Uint8Array;
  /** Tells the other nodes that a login was ended here. */
  onEnded(login: EndedLogin): void;
}

/** Logins are as long open as an unused one of a single node. Use cannot prolong them, since no node knows of use at the others. */
const lifetimeMs = 12 * 3_600_000;
const idBytes = 16;
/** Ended logins that are remembered, at most. */
const maxEnded = 10_000;

/**
 * Logins that carry a signature, so that every node accepts them. A login that is ended is ended on this node at once and on others when
 * they hear of it. It would be open again if all nodes that have heard of it stopped before it expires.
 */
export class SignedLogins implements Logins {
  readonly #options: SignedLoginsOptions;
  readonly #key: Uint8Array;
  /** Expiry by id, in the order of ending. */
  readonly #ended = new Map<string, number>();
  readonly #callbacks = new Map<string, Set<() => void>>();

  constructor(options: SignedLoginsOptions) {
    this.#options = options;
    this.#key = new Uint8Array(hkdfSync("sha256", options.secret, options.proofs, "sessiond logins 1", 32));
  }

  open(): string {
    const id = randomBytes(idBytes).toString("base64url");
    const expiresAtMs = this.#options.clock.wallMs() + lifetimeMs;
    return `${id}.${expiresAtMs}.${this.#sign(id, String(expiresAtMs))}`;
  }

  isOpen(secret: string): boolean {
    return this.#read(secret) !== undefined;
  }

  use(secret: string): boolean {
    return this.isOpen(secret);
  }

  end(secret: string): void {
    const login = this.#read(secret);
    if (login === undefined) return;
    this.endElsewhere(login);
    this.#options.onEnded(login);
  }

  onEnd(secret: string, callback: () => void): () => void {
    const login = this.#read(secret);
    if (login === undefined) return () => {};
    const callbacks = this.#callbacks.get(login.id) ?? new Set();
    this.#callbacks.set(login.id, callbacks.add(callback));
    return () => {
      callbacks.delete(callback);
      if (callbacks.size === 0) this.#callbacks.delete(login.id);
    };
  }

  /** Ends a login that was ended at another node. Idempotent. */
  endElsewhere({ id, expiresAtMs }: EndedLogin): void {
    if (this.#ended.has(id)) return;
    this.#forgetExpired();
    this.#ended.set(id, expiresAtMs);
    const callbacks = this.#callbacks.get(id);
    this.#callbacks.delete(id);
    for (const callback of callbacks ?? []) callback();
  }

  /** Returns the logins that were ended and have not expired, wherever that was. */
  *ended(): Iterable<EndedLogin> {
    for (const [id, expiresAtMs] of this.#ended) yield { id, expiresAtMs };
  }

  #read(secret: string): EndedLogin | undefined {
    const [id = "", expires = "", signature = "", ...more] = secret.split(".");
    const expected = Buffer.from(this.#sign(id, expires));
    const given = Buffer.from(signature);
    if (more.length > 0 || given.byteLength !== expected.byteLength || !timingSafeEqual(given, expected))
      return undefined;
    const expiresAtMs = Number(expires);
    const isOpen = this.#options.clock.wallMs() < expiresAtMs && !this.#ended.has(id);
    return isOpen ? { id, expiresAtMs } : undefined;
  }

  #sign(id: string, expires: string): string {
    return createHmac("sha256", this.#key).update(`${id}.${expires}`).digest("base64url");
  }

  #forgetExpired(): void {
    const wallMs = this.#options.clock.wallMs();
    for (const [id, expiresAtMs] of this.#ended) {
      if (expiresAtMs < wallMs || this.#ended.size >= maxEnded) this.#ended.delete(id);
    }
  }
}
