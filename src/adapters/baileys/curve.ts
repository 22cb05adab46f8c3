import { calculateSignature, verifySignature } from "whatsapp-rust-bridge";
import { libsignalDependency } from "./libsignal.ts";

/**
 * libsignal signs and verifies with `curve25519-js`, which is plain JavaScript: 9 to 16 ms of the event loop each, and every connect
 * does two. Baileys ships the same XEdDSA in WebAssembly (`whatsapp-rust-bridge`), a hundred times as fast; libsignal looks its
 * functions up at each call (its src/curve.js), so that they can be pointed there.
 */
interface Curve {
  sign(privateKey: Uint8Array, message: Uint8Array, random?: Uint8Array): Uint8Array;
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

/** libsignal's key type "Curve25519 of Bernstein", which its own functions take off and these expect. */
const keyType = Uint8Array.of(5);

const fast: Curve = {
  sign: (privateKey, message) => calculateSignature(privateKey, message),
  verify: (publicKey, message, signature) =>
    verifySignature(publicKey.length === 32 ? Buffer.concat([keyType, publicKey]) : publicKey, message, signature),
};

let restore: (() => void) | undefined;

/** Makes libsignal use the fast curve, in the whole process. Idempotent; the function returned puts the slow one back. */
export function installFastCurve(): () => void {
  restore ??= install();
  return () => {
    restore?.();
    restore = undefined;
  };
}

function install(): () => void {
  const curve = libsignalDependency("curve25519-js") as Curve;
  const { sign, verify } = curve;
  Object.assign(curve, fast);
  return () => Object.assign(curve, { sign, verify });
}
