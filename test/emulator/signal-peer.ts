/** Signal end of an emulated phone: real libsignal sessions with an in-memory store. */
import { randomInt } from "node:crypto";
import * as libsignal from "libsignal";
import type { KeyBundle, NumberedKey } from "./key-bundle.ts";
import { generateKeyPair, type KeyPair, sign, signalKey } from "./keys.ts";

/** Forms of a Signal message, by WhatsApp's names. */
export type CiphertextType = "pkmsg" | "msg";

/** One encrypted message. */
export interface Ciphertext {
  readonly type: CiphertextType;
  readonly body: Buffer;
}

const signedPreKeyId = 1;
const maxClosedSessions = 10;
const preKeyMessage = 3;

interface SessionEntry {
  // Time of its closing, Unix ms; -1 while it is open.
  readonly indexInfo: { closed: number };
}

/**
 * Session record with libsignal's behaviour, except that it never prints whole sessions with their private keys.
 * Replaces methods of libsignal/src/session_record.js.
 */
class QuietRecord extends libsignal.SessionRecord {
  declare readonly sessions: Record<string, SessionEntry>;

  closeOpenSession(): void {
    for (const session of this.open()) this.closeSession(session);
  }

  open(): SessionEntry[] {
    return Object.values(this.sessions).filter((session) => session.indexInfo.closed === -1);
  }

  closeSession(session: SessionEntry): void {
    session.indexInfo.closed = Date.now();
  }

  getSession(baseKey: Buffer): SessionEntry | undefined {
    const session = this.sessions[baseKey.toString("base64")];
    // libsignal asks for an unknown base key just before it creates the session and closes the open one, with output.
    if (!session) this.closeOpenSession();
    return session;
  }

  removeOldSessions(): void {
    const closed = Object.entries(this.sessions).filter(([, session]) => session.indexInfo.closed !== -1);
    closed.sort(([, a], [, b]) => b.indexInfo.closed - a.indexInfo.closed);
    for (const [key] of closed.slice(maxClosedSessions)) delete this.sessions[key];
  }
}

/** Identity, prekeys and sessions of a phone. Addresses are any text without a dot. */
export class SignalPeer {
  readonly identity: KeyPair = generateKeyPair();
  readonly registrationId = randomInt(1, 16380);
  readonly #name: string;
  readonly #signedPreKey = generateKeyPair();
  readonly #signature = Buffer.from(sign(this.identity.privateKey, signalKey(this.#signedPreKey.publicKey)));
  readonly #preKeys = new Map<number, KeyPair>();
  // Serialized, as libsignal expects of a store: a failed decryption must not change a session.
  readonly #records = new Map<string, ReturnType<libsignal.SessionRecord["serialize"]>>();
  readonly #storage: libsignal.SignalStorage = this.#createStorage();
  #nextPreKeyId = 1;

  /** `name` separates this peer's jobs in libsignal's process-wide queue. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Returns a bundle for one new session with this phone, with a new one-time key. */
  bundle(): KeyBundle {
    const preKey = generateKeyPair();
    const keyId = this.#nextPreKeyId++;
    this.#preKeys.set(keyId, preKey);
    return {
      registrationId: this.registrationId,
      identityKey: this.identity.publicKey,
      signedPreKey: {
        keyId: signedPreKeyId,
        publicKey: this.#signedPreKey.publicKey,
        signature: this.#signature,
      },
      preKey: { keyId, publicKey: preKey.publicKey },
    };
  }

  /** Encrypts for `address`. Starts a session from `takeBundle()` if none is open. */
  async encrypt(address: string, plaintext: Uint8Array, takeBundle: () => KeyBundle): Promise<Ciphertext> {
    const remote = this.#remote(address);
    if (this.#load(remote.toString()).open().length === 0) {
      const bundle = takeBundle();
      await new libsignal.SessionBuilder(this.#storage, remote).initOutgoing({
        registrationId: bundle.registrationId,
        identityKey: signalKey(bundle.identityKey),
        signedPreKey: { ...withSignalKey(bundle.signedPreKey), signature: bundle.signedPreKey.signature },
        // The declaration requires a one-time key; libsignal itself works without one.
        ...((bundle.preKey ? { preKey: withSignalKey(bundle.preKey) } : {}) as { preKey: NumberedKey }),
      });
    }
    const { type, body } = await new libsignal.SessionCipher(this.#storage, remote).encrypt(Buffer.from(plaintext));
    return { type: type === preKeyMessage ? "pkmsg" : "msg", body: Buffer.from(body, "latin1") };
  }

  /** Decrypts a message from `address`. */
  async decrypt(address: string, { type, body }: Ciphertext): Promise<Buffer> {
    const cipher = new libsignal.SessionCipher(this.#storage, this.#remote(address));
    if (type === "msg") return cipher.decryptWhisperMessage(body);
    return cipher.decryptPreKeyWhisperMessage(body);
  }

  /** Closes the session with `address`, so that the next message starts a new one. */
  closeSession(address: string): void {
    const remote = this.#remote(address).toString();
    const record = this.#load(remote);
    record.closeOpenSession();
    this.#records.set(remote, record.serialize());
  }

  #remote(address: string): libsignal.ProtocolAddress {
    return new libsignal.ProtocolAddress(`${this.#name}>${address}`, 0);
  }

  #load(remote: string): QuietRecord {
    const serialized = this.#records.get(remote);
    return serialized ? (QuietRecord.deserialize(serialized) as QuietRecord) : new QuietRecord();
  }

  #createStorage(): libsignal.SignalStorage {
    return {
      loadSession: async (remote) => this.#load(remote),
      storeSession: async (remote, record) => {
        this.#records.set(remote, record.serialize());
      },
      isTrustedIdentity: () => true,
      loadPreKey: async (id) => libsignalPair(this.#preKeys.get(Number(id))),
      removePreKey: (id) => this.#preKeys.delete(id),
      loadSignedPreKey: () => libsignalPair(this.#signedPreKey),
      getOurRegistrationId: () => this.registrationId,
      getOurIdentity: () => libsignalPair(this.identity),
    };
  }
}

function withSignalKey(key: NumberedKey): NumberedKey {
  return { keyId: key.keyId, publicKey: signalKey(key.publicKey) };
}

function libsignalPair(pair: KeyPair): { pubKey: Buffer; privKey: Buffer };
function libsignalPair(pair: KeyPair | undefined): { pubKey: Buffer; privKey: Buffer } | undefined;
function libsignalPair(pair: KeyPair | undefined): { pubKey: Buffer; privKey: Buffer } | undefined {
  return pair && { pubKey: signalKey(pair.publicKey), privKey: pair.privateKey };
}
