/** Signal key bundles, which a server hands out for starting sessions with a device. */
import { type BinaryNode, child, childBytes, children, stanza } from "./stanza.ts";

/** A public key with its owner's id for it. */
export interface NumberedKey {
  readonly keyId: number;
  readonly publicKey: Buffer;
}

/** Keys of a device for one new session. `preKey` is missing when none are left. */
export interface KeyBundle {
  readonly registrationId: number;
  readonly identityKey: Buffer;
  readonly signedPreKey: NumberedKey & { readonly signature: Buffer };
  readonly preKey?: NumberedKey | undefined;
}

const keyType = Buffer.of(5);
const idBytes = 3;
const keyBytes = 32;
const entryBytes = idBytes + keyBytes;

/** Returns the `<user>` that answers an `encrypt get key` query for `jid`. */
export function bundleStanza(jid: string, bundle: KeyBundle): BinaryNode {
  const content = [
    stanza("registration", {}, bigEndian(bundle.registrationId, 4)),
    stanza("type", {}, keyType),
    stanza("identity", {}, bundle.identityKey),
    stanza("skey", {}, [
      ...keyStanzas(bundle.signedPreKey),
      stanza("signature", {}, new Uint8Array(bundle.signedPreKey.signature)),
    ]),
  ];
  if (bundle.preKey) content.push(stanza("key", {}, keyStanzas(bundle.preKey)));
  return stanza("user", { jid }, content);
}

function keyStanzas(key: NumberedKey): BinaryNode[] {
  return [stanza("id", {}, bigEndian(key.keyId, idBytes)), stanza("value", {}, key.publicKey)];
}

function bigEndian(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

/** Public keys of one linked device. Stores all one-time keys ever uploaded, packed: 812 at first. */
export class DeviceKeys {
  readonly identityKey: Buffer;
  registrationId: number;
  #signedPreKey: KeyBundle["signedPreKey"];
  #preKeys: Buffer = Buffer.alloc(0);
  #taken = 0;
  #highestId = 0;

  constructor(identityKey: Buffer, registrationId: number, signedPreKey: KeyBundle["signedPreKey"]) {
    this.identityKey = identityKey;
    this.registrationId = registrationId;
    this.#signedPreKey = signedPreKey;
  }

  /** Number of unused one-time keys. */
  get preKeyCount(): number {
    return this.#preKeys.length / entryBytes - this.#taken;
  }

  /**
   * Stores an `encrypt set` upload and returns its number of one-time keys. Throws if an id is reused for another key.
   */
  upload(iq: BinaryNode): number {
    const keys = children(child(iq, "list"), "key");
    const packed = keys.map((key) => Buffer.concat([childBytes(key, "id"), childBytes(key, "value")]));
    for (const entry of packed) this.#assertNew(entry);
    this.#preKeys = Buffer.concat([this.#preKeys, ...packed]);
    this.registrationId = childBytes(iq, "registration").readUIntBE(0, 4);
    this.rotate(iq);
    return keys.length;
  }

  /** Replaces the signed prekey with the `<skey>` in `node`. */
  rotate(node: BinaryNode): void {
    const skey = child(node, "skey");
    this.#signedPreKey = {
      keyId: childBytes(skey, "id").readUIntBE(0, idBytes),
      publicKey: childBytes(skey, "value"),
      signature: childBytes(skey, "signature"),
    };
  }

  /** Returns a bundle for one new session. Uses up a one-time key. */
  take(): KeyBundle {
    const { identityKey, registrationId } = this;
    const entry = this.#preKeys.subarray(this.#taken * entryBytes, (this.#taken + 1) * entryBytes);
    if (entry.length > 0) this.#taken += 1;
    const preKey =
      entry.length === 0
        ? undefined
        : { keyId: entry.readUIntBE(0, idBytes), publicKey: Buffer.from(entry.subarray(idBytes)) };
    return { identityKey, registrationId, signedPreKey: this.#signedPreKey, preKey };
  }

  #assertNew(entry: Buffer): void {
    const keyId = entry.readUIntBE(0, idBytes);
    const isKnown = (at: number) => this.#preKeys.subarray(at, at + idBytes).equals(entry.subarray(0, idBytes));
    for (let at = 0; keyId <= this.#highestId && at < this.#preKeys.length; at += entryBytes) {
      if (isKnown(at) && !this.#preKeys.subarray(at, at + entryBytes).equals(entry)) {
        throw new Error(`the one-time key ${keyId} was uploaded before with another value`);
      }
    }
    this.#highestId = Math.max(this.#highestId, keyId);
  }
}
