import {
  type AuthenticationCreds,
  type AuthenticationState,
  BufferJSON,
  initAuthCreds,
  type KeyPair,
  proto,
  type SignalDataSet,
  type SignalDataTypeMap,
} from "@whiskeysockets/baileys";
import { LeaseLost } from "../../ports/backend.ts";
import type { Credentials } from "../../ports/engine.ts";

/** Stored credentials are there and cannot be read: neither a reason for a new identity nor to write anything. */
export class CredentialsUnreadable extends Error {
  override readonly name = "CredentialsUnreadable";
}

const credsKey = "creds";
const signalKey = (type: string, id: string) => `${type}:${id}`;

/**
 * A device's login in the form Baileys works with. Each change is one write of the Signal keys and, if they changed, the creds;
 * one write is under way at a time, and what comes meanwhile goes with the next. The first failure is reported once; after it,
 * and after `close()`, nothing is read or written any more.
 */
export class AuthStore {
  readonly state: AuthenticationState;
  readonly #credentials: Credentials;
  readonly #onFailure: (error: unknown) => void;
  #waiting = new Map<string, Uint8Array | null>();
  #writing: ReadonlyMap<string, Uint8Array | null> = new Map();
  #credsChanged = false;
  #next: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();
  #state: "open" | "failed" | "closed" = "open";

  /** Use `open`. */
  constructor(credentials: Credentials, creds: AuthenticationCreds, onFailure: (error: unknown) => void) {
    this.#credentials = credentials;
    this.#onFailure = onFailure;
    this.state = { creds, keys: { get: (type, ids) => this.#get(type, ids), set: (data) => this.#set(data) } };
  }

  /** Reads the login, or makes a new one where there is none. Rejects with CredentialsUnreadable or what the port rejects with. */
  static async open(credentials: Credentials, onFailure: (error: unknown) => void): Promise<AuthStore> {
    const [stored] = await readStored(credentials, [credsKey]);
    const known = stored && credsOf(stored);
    // Asking for a pairing code sets `me`; unless a phone then paired, logging in with it can only fail (Baileys, requestPairingCode).
    const usable = known && !(known.me && !known.account);
    const store = new AuthStore(credentials, usable ? known : initAuthCreds(), onFailure);
    if (known && !usable) {
      store.credsChanged();
      await store.flush();
    }
    return store;
  }

  /** To be called when Baileys has changed the creds. */
  credsChanged(): void {
    this.#credsChanged = true;
    // A failure is reported to onFailure.
    this.#schedule().catch(() => {});
  }

  /** Resolves when all changes so far are durable. */
  async flush(): Promise<void> {
    await (this.#next ?? this.#last);
  }

  /** Finishes what is being written; from here on nothing is written. */
  async close(): Promise<void> {
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

  async #set(data: SignalDataSet): Promise<void> {
    this.#assertOpen();
    for (const [type, values] of Object.entries(data)) {
      for (const [id, value] of Object.entries(values)) {
        this.#waiting.set(signalKey(type, id), value === null || value === undefined ? null : encode(value));
      }
    }
    await this.#schedule();
  }

  /** What is not on disk yet; null for a removed key. */
  #unsaved(key: string): Uint8Array | null | undefined {
    return this.#waiting.has(key) ? this.#waiting.get(key) : this.#writing.get(key);
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
    const changes = this.#waiting;
    if (this.#credsChanged) changes.set(credsKey, encode(this.state.creds));
    this.#waiting = new Map();
    this.#writing = changes;
    this.#credsChanged = false;
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
      this.#onFailure(error);
    }
    return error;
  }
}

async function readStored(credentials: Credentials, keys: readonly string[]) {
  try {
    return await credentials.read(keys);
  } catch (error) {
    if (error instanceof LeaseLost) throw error;
    throw new CredentialsUnreadable("The stored login could not be read", { cause: error });
  }
}

const encode = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value, BufferJSON.replacer));

function decode(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString(), BufferJSON.reviver);
  } catch {
    // The parser's message quotes what it has read.
    throw new CredentialsUnreadable("The stored login is damaged");
  }
}

function signalValueOf<T extends keyof SignalDataTypeMap>(type: T, bytes: Uint8Array): SignalDataTypeMap[T] {
  const value = decode(bytes);
  if (value === null || value === undefined) throw new CredentialsUnreadable("The stored login is damaged");
  // Baileys works with its protobuf class here (its useMultiFileAuthState).
  const key = type === "app-state-sync-key" ? proto.Message.AppStateSyncKeyData.fromObject(value) : value;
  return key as SignalDataTypeMap[T];
}

function credsOf(bytes: Uint8Array): AuthenticationCreds {
  const creds = decode(bytes);
  if (!isCreds(creds)) throw new CredentialsUnreadable("The stored login is incomplete");
  return creds;
}

/** Whether all is there that a login cannot do without. */
function isCreds(value: unknown): value is AuthenticationCreds {
  if (typeof value !== "object" || value === null) return false;
  const { noiseKey, pairingEphemeralKeyPair, signedIdentityKey, signedPreKey, registrationId, advSecretKey } =
    value as Partial<AuthenticationCreds>;
  return (
    [noiseKey, pairingEphemeralKeyPair, signedIdentityKey, signedPreKey?.keyPair].every(isKeyPair) &&
    Number.isInteger(registrationId) &&
    typeof advSecretKey === "string"
  );
}

const isKeyPair = (pair: Partial<KeyPair> | undefined): boolean =>
  pair?.public instanceof Uint8Array && pair.private instanceof Uint8Array;
