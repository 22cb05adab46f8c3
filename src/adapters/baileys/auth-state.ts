import { hash } from "node:crypto";
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
import { readCredentials } from "../engine/credentials.ts";
import { credsKey, decodeCreds, decodeSignalKey, encode, formerCredsKey, signalKey } from "./login.ts";

/** Types of keys that a message advances. Such a change must not be on disk without the content of the message. */
const ratchets = ["session", "sender-key"];
const isRatchet = (type: string): boolean => ratchets.includes(type);
/** Types whose changes count at once, though Baileys makes them in a transaction. */
const immediate = [...ratchets, "tctoken"];
/** If Baileys has not reported a decrypted message by then, it has failed to. */
const messageLimitMs = 5_000;

type Changes = Map<string, Uint8Array | null>;

/** Tells one value from another, in less memory than the value. */
const digestOf = (bytes: Uint8Array): string => hash("sha256", bytes, "base64url");

/**
 * A device's login in the form Baileys works with. Baileys reads its changes back at once; they are written in the background, one
 * write at a time, and no frame leaves for WhatsApp before `flush()`. A ratchet that a message has advanced is held until
 * `releaseRatchets()`, which writes it together with the content of the message: a message can be decrypted only once. The first
 * failure is reported once. After it, and after `close()`, nothing is read or written.
 */
export class AuthStore {
  readonly state: AuthenticationState;
  readonly #credentials: Credentials;
  readonly #clock: Clock;
  readonly #onFailure: (error: unknown) => void;
  /** Changes that are held back. */
  #held: Changes = new Map();
  #credsChanged = false;
  /** Digests of the present and the former login as last read or released: a login that is the same is not written again. */
  readonly #digests = new Map<string, string>();
  /** True from the decryption of a message until it is reported. */
  #expectsMessage = false;
  /** Set while a ratchet is held until its message is reported. */
  #ratchet: { released: PromiseWithResolvers<void>; cancel: () => void } | undefined;
  #isOver = () => false;
  /** Changes of the next write. */
  #released: Changes = new Map();
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

  /** Reads the login, or creates one where there is none. Rejects with CredentialsUnreadable, or as the port does. */
  static async open(credentials: Credentials, clock: Clock, onFailure: (error: unknown) => void): Promise<AuthStore> {
    const [stored, former] = await readLogins(credentials);
    const known = stored && decodeCreds(stored);
    // A request for a pairing code sets `me`. Unless a phone then paired, a login with it can only fail (Baileys, requestPairingCode).
    const usable = known && !(known.me && !known.account);
    const store = new AuthStore(credentials, clock, usable ? known : initAuthCreds(), onFailure);
    if (stored) store.#digests.set(credsKey, digestOf(stored));
    if (former) store.#digests.set(formerCredsKey, digestOf(former));
    if (known && !usable) {
      store.credsChanged();
      await store.flush();
    }
    return store;
  }

  /** Returns true if all changes are on disk. */
  get isDurable(): boolean {
    return !this.#ratchet && this.#held.size === 0 && !this.#credsChanged && !this.#next && this.#writing.size === 0;
  }

  /** Called when Baileys has changed the creds. */
  credsChanged(): void {
    this.#credsChanged = true;
    if (!this.#ratchet) this.#releaseQuietly();
  }

  /** Stores the present login as the former one, which a user can restore. */
  rememberLogin(): void {
    const login = this.#changed(formerCredsKey, encode(this.state.creds));
    if (!login) return;
    this.#held.set(formerCredsKey, login);
    if (!this.#ratchet) this.#releaseQuietly();
  }

  /** Adds changes to the next write. Does not start one unless `atOnce`. */
  defer(changes: ReadonlyMap<string, Uint8Array | null>, atOnce = false): void {
    for (const [key, value] of changes) this.#released.set(key, value);
    if (atOnce) this.#schedule().catch(() => {});
  }

  /** Called before a message is decrypted. */
  expectMessage(): void {
    this.#expectsMessage = true;
  }

  /** Called when the message could not be decrypted. */
  expectNoMessage(): void {
    this.#expectsMessage = false;
    if (this.#ratchet) this.#releaseUnreported();
  }

  /**
   * Takes ratchets and new one-time keys out of Baileys' transactions, so that each change counts at once. Baileys sends messages and
   * receipts before it commits their keys (its relayMessage and sendRetryRequest), and a transaction for one address overwrites
   * the changes of another. After a crash or a race, a counter would be used twice. Privacy tokens are taken out too: Baileys notes
   * that it has issued one after the end of the transaction that it writes to, so the note would be lost, and each message would issue one.
   *
   * Once `isOver`, a message that is decrypted and not reported never will be, and comes again on the next connection: its ratchet is not
   * written.
   */
  takeRatchets(keys: SignalKeyStore, isOver: () => boolean): void {
    this.#isOver = isOver;
    const { get, set } = keys;
    keys.get = async (type, ids) => (immediate.includes(type) ? this.#get(type, ids) : get(type, ids));
    keys.set = async (data) => {
      const { session = {}, "sender-key": senderKey = {}, tctoken = {}, "device-list": devices, ...rest } = data;
      const preKeys = Object.entries(rest["pre-key"] ?? {}).filter(([, key]) => key !== null);
      this.#set({ session, "sender-key": senderKey, tctoken, "pre-key": Object.fromEntries(preKeys) });
      const changed = devices && changesIn(devices, await get("device-list", Object.keys(devices)));
      const others = changed ? { ...rest, "device-list": changed } : rest;
      if (Object.keys(others).length > 0) await set(others);
    };
  }

  /** Writes all changes so far, together with `changes`, the content of the message. Resolves when they are on disk. */
  releaseRatchets(changes: ReadonlyMap<string, Uint8Array | null> = new Map()): Promise<void> {
    this.#expectsMessage = false;
    return this.#release(changes);
  }

  #release(changes: ReadonlyMap<string, Uint8Array | null> = new Map()): Promise<void> {
    this.defer(this.#held);
    this.defer(changes);
    const login = this.#credsChanged ? this.#changed(credsKey, encode(this.state.creds)) : undefined;
    if (login) this.#released.set(credsKey, login);
    this.#held = new Map();
    this.#credsChanged = false;
    this.#ratchet?.cancel();
    this.#ratchet?.released.resolve();
    this.#ratchet = undefined;
    const isIdle = this.#released.size === 0 && this.#state === "open";
    return isIdle ? (this.#next ?? this.#last) : this.#schedule();
  }

  /** Resolves when every ratchet advanced so far is written together with its message. */
  async ratchetsReleased(): Promise<void> {
    await this.#ratchet?.released.promise;
  }

  /** Resolves when all changes so far are on disk. */
  async flush(): Promise<void> {
    await this.ratchetsReleased();
    await (this.#next ?? this.#last);
  }

  /**
   * Finishes the write under way; nothing is written afterwards. Drops a ratchet that is still held and all later changes: no frame
   * that needs them has left, and their message was never reported.
   */
  async close(): Promise<void> {
    if (this.#ratchet) this.#dropHeld(this.#ratchet);
    if (this.#state === "open") this.#releaseQuietly();
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
      const stored = await readCredentials(this.#credentials, keys);
      const found: { [id: string]: SignalDataTypeMap[T] } = {};
      for (const [i, id] of ids.entries()) {
        const value = unsaved[i] === undefined ? stored[i] : unsaved[i];
        if (value) found[id] = decodeSignalKey(type, value);
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
        this.#held.set(signalKey(type, id), value === null || value === undefined ? null : encode(value));
      }
      if (isRatchet(type) && this.#expectsMessage) this.#holdRatchet();
    }
    if (!this.#ratchet && this.#held.size > 0) this.#releaseQuietly();
  }

  /** Returns the login unless it is the same as the last one under its key. */
  #changed(key: string, login: Uint8Array): Uint8Array | undefined {
    const digest = digestOf(login);
    if (this.#digests.get(key) === digest) return undefined;
    this.#digests.set(key, digest);
    return login;
  }

  #holdRatchet(): void {
    this.#ratchet ??= {
      released: Promise.withResolvers(),
      cancel: this.#clock.schedule(messageLimitMs, () => this.#releaseUnreported()),
    };
  }

  #dropHeld({ cancel }: { cancel: () => void }): void {
    cancel();
    this.#ratchet = undefined;
    this.#held = new Map();
    this.#credsChanged = false;
  }

  /** Writes a ratchet without its message. */
  #releaseUnreported(): void {
    if (!this.#isOver()) this.#releaseQuietly();
  }

  /** Like `#release`; a failure goes to `onFailure` only. */
  #releaseQuietly(): void {
    this.#release().catch(() => {});
  }

  /** Returns the value of a key that is not on disk yet; null for a removed key. */
  #unsaved(key: string): Uint8Array | null | undefined {
    return [this.#held, this.#released, this.#writing].find((changes) => changes.has(key))?.get(key);
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
    const changes = this.#released;
    this.#released = new Map();
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
      this.#ratchet?.cancel();
      this.#onFailure(error);
    }
    return error;
  }
}

type DeviceLists = NonNullable<SignalDataSet["device-list"]>;

/** Returns the lists that differ from the stored ones; undefined if none does. Baileys stores its own list anew at each login. */
function changesIn(lists: DeviceLists, stored: DeviceLists): DeviceLists | undefined {
  const changed = Object.entries(lists).filter(([user, list]) => JSON.stringify(list) !== JSON.stringify(stored[user]));
  return changed.length > 0 ? Object.fromEntries(changed) : undefined;
}

/** Reads the present and the former login. A former one that cannot be read counts as none. */
async function readLogins(credentials: Credentials): Promise<(Uint8Array | undefined)[]> {
  try {
    return await readCredentials(credentials, [credsKey, formerCredsKey]);
  } catch {
    return readCredentials(credentials, [credsKey]);
  }
}
