import { hkdf } from "whatsapp-rust-bridge";
import { libsignalPart } from "./libsignal.ts";

/** The part of libsignal's src/crypto.js that is replaced. */
interface Derivation {
  /** Returns the first keys of 32 bytes that HKDF (RFC 5869) derives, at most three; three if `chunks` is left out. */
  deriveSecrets(input: Buffer, salt: Buffer, info: Buffer, chunks?: number): Buffer[];
}

const keyBytes = 32;

let restore: (() => void) | undefined;

/**
 * Makes libsignal derive keys in WebAssembly (`whatsapp-rust-bridge`, as Baileys itself does for its own) in the whole process. libsignal
 * derives three keys for each recipient of a message, with four HMACs of Node, which take three times as long. Idempotent; the function
 * returned undoes it.
 */
export function installKeyDerivation(): () => void {
  restore ??= install();
  return () => {
    restore?.();
    restore = undefined;
  };
}

function install(): () => void {
  const derivation = libsignalPart("libsignal/src/crypto.js") as Derivation;
  const { deriveSecrets } = derivation;
  derivation.deriveSecrets = (input, salt, info, chunks = 3) => {
    const derived = Buffer.from(hkdf(input, chunks * keyBytes, { salt, info: info.toString("latin1") }));
    return Array.from({ length: chunks }, (_, i) => derived.subarray(i * keyBytes, (i + 1) * keyBytes));
  };
  return () => {
    derivation.deriveSecrets = deriveSecrets;
  };
}
