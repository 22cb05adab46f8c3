/** X25519 keys and XEdDSA signatures for the emulator, with native code only. */
import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from "node:crypto";
import { calculateSignature, verifySignature } from "whatsapp-rust-bridge";

// Fixed DER prefixes of an X25519 public (SPKI) and private (PKCS #8) key, RFC 8410.
const spkiHead = Buffer.from("302a300506032b656e032100", "hex");
const pkcs8Head = Buffer.from("302e020100300506032b656e04220420", "hex");

/** An X25519 key pair, 32 raw bytes each. */
export interface KeyPair {
  readonly publicKey: Buffer;
  readonly privateKey: Buffer;
}

/** Generates an X25519 key pair. */
export function generateKeyPair(): KeyPair {
  const pair = generateKeyPairSync("x25519", {
    publicKeyEncoding: { format: "der", type: "spki" },
    privateKeyEncoding: { format: "der", type: "pkcs8" },
  });
  return {
    publicKey: pair.publicKey.subarray(spkiHead.length),
    privateKey: pair.privateKey.subarray(pkcs8Head.length),
  };
}

/** Returns the X25519 shared secret of a private and a public key. */
export function sharedSecret(privateKey: Uint8Array, publicKey: Uint8Array): Buffer {
  return diffieHellman({ privateKey: privateKeyObject(privateKey), publicKey: publicKeyObject(publicKey) });
}

/** Returns the XEdDSA signature (64 bytes) of `message`. */
export function sign(privateKey: Uint8Array, message: Uint8Array): Uint8Array {
  return calculateSignature(privateKey, message);
}

/** Returns whether `signature` is a valid XEdDSA signature of `message`. */
export function isSignedBy(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verifySignature(signalKey(publicKey), message, signature);
  } catch {
    return false;
  }
}

/** Returns a raw public key in Signal's form: the type byte 5, then the 32 bytes. */
export function signalKey(publicKey: Uint8Array): Buffer {
  return publicKey.length === 33 ? Buffer.from(publicKey) : Buffer.concat([Buffer.of(5), publicKey]);
}

function privateKeyObject(raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([pkcs8Head, raw]), format: "der", type: "pkcs8" });
}

function publicKeyObject(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([spkiHead, raw]), format: "der", type: "spki" });
}
