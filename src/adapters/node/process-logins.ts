import type { Logins } from "../../ports/logins.ts";
import type { Clock, Random } from "../../ports/system.ts";
import { hashSecret } from "./secret-hash.ts";

/** The clock and the random numbers that logins are made with. */
export interface ProcessLoginsOptions {
  readonly clock: Pick<Clock, "nowMs">;
  readonly random: Pick<Random, "hex">;
}

const secretBytes = 32;
const maxAgeMs = 7 * 24 * 3_600_000;
const maxIdleMs = 12 * 3_600_000;
/** Limit of open logins. One more ends the login that was unused for the longest time. */
const maxLogins = 1_000;

interface Login {
  readonly openedAtMs: number;
  usedAtMs: number;
  readonly onEnd: Set<() => void>;
}

/** Logins in the memory of this process. They end with it, and so with the key that they were opened with. */
export class ProcessLogins implements Logins {
  readonly #options: ProcessLoginsOptions;
  /** By the hash of their secret, in the order of their last use. */
  readonly #logins = new Map<string, Login>();

  constructor(options: ProcessLoginsOptions) {
    this.#options = options;
  }

  open(): string {
    this.#removeIdle();
    const secret = this.#options.random.hex(secretBytes);
    const nowMs = this.#options.clock.nowMs();
    this.#logins.set(hashSecret(secret), { openedAtMs: nowMs, usedAtMs: nowMs, onEnd: new Set() });
    return secret;
  }

  isOpen(secret: string): boolean {
    return this.#find(hashSecret(secret)) !== undefined;
  }

  use(secret: string): boolean {
    const key = hashSecret(secret);
    const login = this.#find(key);
    if (login === undefined) return false;
    login.usedAtMs = this.#options.clock.nowMs();
    this.#logins.delete(key);
    this.#logins.set(key, login);
    return true;
  }

  end(secret: string): void {
    this.#remove(hashSecret(secret));
  }

  onEnd(secret: string, callback: () => void): () => void {
    const callbacks = this.#find(hashSecret(secret))?.onEnd;
    callbacks?.add(callback);
    return () => void callbacks?.delete(callback);
  }

  /** Returns an open login. Removes one that has come to its age or was unused for too long. */
  #find(key: string): Login | undefined {
    const login = this.#logins.get(key);
    if (login === undefined || this.#isOpen(login)) return login;
    this.#remove(key);
    return undefined;
  }

  #isOpen({ openedAtMs, usedAtMs }: Login): boolean {
    const nowMs = this.#options.clock.nowMs();
    return nowMs - openedAtMs < maxAgeMs && nowMs - usedAtMs < maxIdleMs;
  }

  #remove(key: string): void {
    const login = this.#logins.get(key);
    this.#logins.delete(key);
    for (const callback of login?.onEnd ?? []) callback();
  }

  #removeIdle(): void {
    for (const [key, login] of this.#logins) {
      if (this.#isOpen(login) && this.#logins.size < maxLogins) return;
      this.#remove(key);
    }
  }
}
