import {
  type AuthenticationCreds,
  type AuthenticationState,
  initAuthCreds,
  type SignalDataSet,
  type SignalDataTypeMap,
  type SignalKeyStore,
} from "@whiskeysockets/baileys";
import type { Credentials } from "../../ports/engine.ts";
import type { Clock } from "../../ports/system.ts";
import { credsKey, credsOf, encode, keptKey, readStored, signalKey, signalValueOf } from "./stored-login.ts";

/** Keys whose change uses up a message: it must not be on disk without what the message said. */
const ratchets = ["session", "sender-key"] as const;
const isRatchet = (type: string): boolean => ratchets.some((one) => one === type);
/** Baileys must have failed to report a message that it decrypted so long ago. */
const messageLimitMs = 5_000;

type Changes = Map<string, Uint8Array | null>;

/**
 * A device's login in the form Baileys works with. Baileys goes on at once with what it has changed, and nothing leaves for WhatsApp
 * before `flush()`. One write is under way at a time, and what comes meanwhile goes with the next. A ratchet that a message has turned
 * waits for `seal()`, so that a message is never lost between its decryption and its being kept: WhatsApp sends it again, and it can be
 * decrypted only once. The first failure is reported once; after it, and after `close()`, nothing is read or written any more.
 */
export class AuthStore {
  readonly state: AuthenticationState;
  readonly #credentials: Credentials;
  readonly #clock: Clock;
  readonly #onFailure: (error: unknown) => void;
  /** Changed, and not to be written yet. */
  #unsealed: Changes = new Map();
  #credsChanged = false;
  /** From the decryption of a message to its being reported. */
  #expectsMessage = false;
  /** Set while a ratchet waits for its message. */
  #turned: { sealed: PromiseWithResolvers<void>; cancel: () => void } | undefined;
  /** To be written next. */
  #sealed: Changes = new Map();
  #writing: ReadonlyMap<string, Uint8Array | null> = new Map();
  #next: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();
  #state: "open" | "failed" | "closed" = "open";

  /** Use `open`. */
  constructor(credentials: Credentials, clock: Clock, creds: AuthenticationCreds, onFailure: (error: unknown) => void) {
    this.#credentials = credentials;
    this.#clock = clock;
    this.#onFailure = onFailure;
    this.state = { creds, keys: { get: (type, ids) => this.#get(type, ids), set: async (data) => this.#set(data) } };
  }

  /** Reads the login, or makes a new one where there is none. Rejects with CredentialsUnreadable or what the port rejects with. */
  static async open(credentials: Credentials, clock: Clock, onFailure: (error: unknown) => void): Promise<AuthStore> {
    const [stored] = await readStored(credentials, [credsKey]);
    const known = stored && credsOf(stored);
    // Asking for a pairing code sets `me`; unless a phone then paired, logging in with it can only fail (Baileys, requestPairingCode).
    const usable = known && !(known.me && !known.account);
    const store = new AuthStore(credentials, clock, usable ? known : initAuthCreds(), onFailure);
    if (known && !usable) {
      store.credsChanged();
      await store.flush();
    }
    return store;
  }

  /** Whether all changes are durable. */
  get isDurable(): boolean {
    return !this.#turned && this.#unsealed.size === 0 && !this.#credsChanged && !this.#next && this.#writing.size === 0;
  }

  /** To be called when Baileys has changed the creds. */
  credsChanged(): void {
    this.#credsChanged = true;
    if (!this.#turned) this.#sealQuietly();
  }

  /** Keeps the login as it is now, to be restored if it is damaged later. */
  keep(): void {
    this.#unsealed.set(keptKey, encode(this.state.creds));
    if (!this.#turned) this.#sealQuietly();
  }

  /** Adds what is to be written with the next change, whenever that comes, or at once. */
  defer(changes: ReadonlyMap<string, Uint8Array | null>, atOnce = false): void {
    for (const [key, value] of changes) this.#sealed.set(key, value);
    if (atOnce) this.#schedule().catch(() => {});
  }

  /** A message is about to be decrypted. */
  expectMessage(): void {
    this.#expectsMessage = true;
  }

  /** It could not be decrypted. */
  expectNoMessage(): void {
    this.#expectsMessage = false;
    if (this.#turned) this.#sealQuietly();
  }

  /**
   * Makes Baileys' transactions leave ratchets to this store, where each change counts at once, and new one-time keys too. Baileys sends
   * messages and receipts before it commits the keys they are made with (its relayMessage and sendRetryRequest), and a transaction for
   * one address writes back what another has changed meanwhile: after a crash, or a race, a counter would come twice.
   */
  takeRatchets(keys: SignalKeyStore): void {
    const { get, set } = keys;
    keys.get = async (type, ids) => (isRatchet(type) ? this.#get(type, ids) : get(type, ids));
    keys.set = async (data) => {
      const { session = {}, "sender-key": senderKey = {}, ...rest } = data;
      const preKeys = Object.entries(rest["pre-key"] ?? {}).filter(([, key]) => key !== null);
      this.#set({ session, "sender-key": senderKey, "pre-key": Object.fromEntries(preKeys) });
      if (Object.keys(rest).length > 0) await set(rest);
    };
  }

  /** Lets all changes so far be written, together with these, which the message says; resolves when they are durable. */
  seal(changes: ReadonlyMap<string, Uint8Array | null> = new Map()): Promise<void> {
    this.#expectsMessage = false;
    return this.#seal(changes);
  }

  #seal(changes: ReadonlyMap<string, Uint8Array | null> = new Map()): Promise<void> {
    this.defer(this.#unsealed);
    this.defer(changes);
    if (this.#credsChanged) this.#sealed.set(credsKey, encode(this.state.creds));
    this.#unsealed = new Map();
    this.#credsChanged = false;
    this.#turned?.cancel();
    this.#turned?.sealed.resolve();
    this.#turned = undefined;
    return this.#schedule();
  }

  /** Resolves when no ratchet waits any more that was turned so far. */
  async sealed(): Promise<void> {
    await this.#turned?.sealed.promise;
  }

  /** Resolves when all changes so far are durable. */
  async flush(): Promise<void> {
    await this.sealed();
    await (this.#next ?? this.#last);
  }

  /**
   * Finishes what is being written; from here on nothing is written. A ratchet that still waits is given up, and all since then: no
   * frame has left that needs it, and the message that has turned it was never reported.
   */
  async close(): Promise<void> {
    if (this.#turned) this.#forgetTurn(this.#turned);
    if (this.#state === "open") this.#sealQuietly();
    await this.flush().catch(() => {});
    if (this.#state === "open") this.#state = "closed";
  }

  async #get<T extends keyof SignalDataTypeMap>(
    type: T,
    ids: string[],
  ): Promise<{ [id: string]: SignalDataTypeMap[T] }> {
    this.#assertOpen();
    const keys = ids.map((id) => signalKey(type, id));
    const unsaved = keys.map((key) => this.#unsaved(key));
    try {
      const stored = await readStored(this.#credentials, keys);
      const found: { [id: string]: SignalDataTypeMap[T] } = {};
      for (const [i, id] of ids.entries()) {
        const value = unsaved[i] === undefined ? stored[i] : unsaved[i];
        if (value) found[id] = signalValueOf(type, value);
      }
      return found;
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #set(data: SignalDataSet): void {
    this.#assertOpen();
    for (const [type, values] of Object.entries(data)) {
      if (Object.keys(values).length === 0) continue;
      for (const [id, value] of Object.entries(values)) {
        this.#unsealed.set(signalKey(type, id), value === null || value === undefined ? null : encode(value));
      }
      if (isRatchet(type) && this.#expectsMessage) this.#turn();
    }
    if (!this.#turned && this.#unsealed.size > 0) this.#sealQuietly();
  }

  #turn(): void {
    this.#turned ??= {
      sealed: Promise.withResolvers(),
      cancel: this.#clock.schedule(messageLimitMs, () => this.#sealQuietly()),
    };
  }

  #forgetTurn({ cancel }: { cancel: () => void }): void {
    cancel();
    this.#turned = undefined;
    this.#unsealed = new Map();
    this.#credsChanged = false;
  }

  /** A failure is reported to onFailure. */
  #sealQuietly(): void {
    this.#seal().catch(() => {});
  }

  /** What is not on disk yet; null for a removed key. */
  #unsaved(key: string): Uint8Array | null | undefined {
    return [this.#unsealed, this.#sealed, this.#writing].find((changes) => changes.has(key))?.get(key);
  }

  #schedule(): Promise<void> {
    this.#next ??= this.#last.then(async () => {
      // Lets the keys and the creds of one change come together.
      await new Promise(setImmediate);
      this.#next = undefined;
      this.#last = this.#write();
      await this.#last;
    });
    return this.#next;
  }

  async #write(): Promise<void> {
    this.#assertOpen();
    const changes = this.#sealed;
    this.#sealed = new Map();
    if (changes.size === 0) return;
    this.#writing = changes;
    try {
      await this.#credentials.write(changes);
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.#writing = new Map();
    }
  }

  #assertOpen(): void {
    if (this.#state !== "open") throw new Error("the engine's credentials are closed");
  }

  #fail(error: unknown): unknown {
    if (this.#state === "open") {
      this.#state = "failed";
      this.#turned?.cancel();
      this.#onFailure(error);
    }
    return error;
  }
}
