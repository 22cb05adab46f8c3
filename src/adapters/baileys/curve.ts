import { calculateSignature, verifySignature } from "whatsapp-rust-bridge";
import { libsignalDependency } from "./libsignal.ts";

/**
 * libsignal signs and verifies with `curve25519-js` in plain JavaScript. Each call blocks the event loop for 9 to 16 ms, and every
 * connect makes two. Baileys ships the same XEdDSA in WebAssembly (`whatsapp-rust-bridge`), 100 times as fast. libsignal looks its
 * functions up at each call (its src/curve.js), so they can be replaced.
 */
interface Curve {
  sign(privateKey: Uint8Array, message: Uint8Array, random?: Uint8Array): Uint8Array;
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

/** Type byte of a Curve25519 key. libsignal's own functions remove it; the replacements expect it. */
const keyType = Uint8Array.of(5);

const fast: Curve = {
  sign: (privateKey, message) => calculateSignature(privateKey, message),
  verify: (publicKey, message, signature) =>
    verifySignature(publicKey.length === 32 ? Buffer.concat([keyType, publicKey]) : publicKey, message, signature),
};

let restore: (() => void) | undefined;

/** Makes libsignal use the WebAssembly curve in the whole process. Idempotent; the function returned undoes it. */
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
