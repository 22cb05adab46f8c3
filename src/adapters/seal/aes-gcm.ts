import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { SealBroken, type Sealer } from "../../ports/sealer.ts";

// Layout of a sealed value: magic, key id, salt, nonce, tag, ciphertext. Neither protobuf messages nor JSON begin with a zero byte.
const magic = Buffer.from("\0SD\u0001", "latin1");
const idBytes = 8;
const saltBytes = 16;
const nonceBytes = 12;
const tagBytes = 16;
const keyBytes = 32;
const idAt = magic.length;
const saltAt = idAt + idBytes;
const nonceAt = saltAt + saltBytes;
const tagAt = nonceAt + nonceBytes;
const textAt = tagAt + tagBytes;

/** Values sealed per derived key. A key permits at most 2^32 random nonces (NIST SP 800-38D, 8.3). */
const sealsPerSalt = 2 ** 28;
const maxSubkeys = 1024;
const algorithm = "aes-256-gcm";

/** Nonces drawn at a time, which costs as much as drawing one. */
const noncesDrawn = 512;

interface Salted {
  readonly salt: Buffer;
  // From bytes, OpenSSL would set up the key for each value, which takes longer than sealing it.
  readonly key: KeyObject;
  seals: number;
}

/**
 * Creates a sealer that seals with AES-256-GCM under `current`, and opens values sealed under `current` or `previous`. Keys have 32
 * bytes. Each value has a random nonce, and each life of the process a key derived from `current` with a random salt.
 */
export function createSealer(current: Uint8Array, previous: readonly Uint8Array[] = []): Sealer {
  const masters = new Map([...previous, current].map((key) => [idOf(key), key]));
  const keyId = idOf(current);
  const idBuffer = Buffer.from(keyId, "hex");
  const subkeys = new Map<string, KeyObject>();
  const drawNonce = nonceSource();
  let salted = saltedFrom(current);

  const subkeyOf = (id: string, salt: Buffer): KeyObject => {
    const name = id + salt.toString("hex");
    const known = subkeys.get(name);
    if (known) return known;
    const master = masters.get(id);
    if (!master) throw new SealBroken(`a value is sealed with key ${id}, which is not among the keys given`);
    const subkey = derive(master, salt);
    if (subkeys.size >= maxSubkeys) subkeys.clear();
    subkeys.set(name, subkey);
    return subkey;
  };

  return {
    keyId,
    keyIdOf,
    seal(value, context) {
      if (salted.seals >= sealsPerSalt) salted = saltedFrom(current);
      salted.seals += 1;
      const nonce = drawNonce();
      const cipher = createCipheriv(algorithm, salted.key, nonce);
      cipher.setAAD(context);
      const text = cipher.update(value);
      // In GCM `final` returns no data; it computes the tag.
      cipher.final();
      return Buffer.concat([magic, idBuffer, salted.salt, nonce, cipher.getAuthTag(), text]);
    },
    open(stored, context) {
      const id = keyIdOf(stored);
      if (id === undefined) return stored;
      const bytes = bufferOf(stored);
      const key = subkeyOf(id, bytes.subarray(saltAt, nonceAt));
      const decipher = createDecipheriv(algorithm, key, bytes.subarray(nonceAt, tagAt));
      decipher.setAAD(context);
      decipher.setAuthTag(bytes.subarray(tagAt, textAt));
      try {
        const value = decipher.update(bytes.subarray(textAt));
        decipher.final();
        return value;
      } catch (cause) {
        throw new SealBroken("a sealed value was changed, or put in another's place", { cause });
      }
    },
  };
}

function keyIdOf(stored: Uint8Array): string | undefined {
  const bytes = bufferOf(stored);
  if (bytes.length < textAt || bytes.compare(magic, 0, idAt, 0, idAt) !== 0) return undefined;
  return bytes.toString("hex", idAt, saltAt);
}

const idOf = (key: Uint8Array): string =>
  createHash("sha256")
    .update("sessiond key id\0")
    .update(key)
    .digest("hex")
    .slice(0, 2 * idBytes);

function saltedFrom(master: Uint8Array): Salted {
  const salt = randomBytes(saltBytes);
  return { salt, key: derive(master, salt), seals: 0 };
}

const derive = (master: Uint8Array, salt: Uint8Array): KeyObject =>
  createSecretKey(Buffer.from(hkdfSync("sha256", master, salt, "sessiond stored value", keyBytes)));

/** Returns a source of random nonces that uses each random byte once. */
function nonceSource(): () => Buffer {
  let drawn = Buffer.of();
  let at = 0;
  return () => {
    if (at === drawn.length) {
      drawn = randomBytes(noncesDrawn * nonceBytes);
      at = 0;
    }
    at += nonceBytes;
    return drawn.subarray(at - nonceBytes, at);
  };
}

const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
