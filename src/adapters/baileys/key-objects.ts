import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

type KeyedFunction = "createHmac" | "createCipheriv" | "createDecipheriv";

const keyedFunctions: readonly KeyedFunction[] = ["createHmac", "createCipheriv", "createDecipheriv"];

let restore: (() => void) | undefined;

/**
 * Gives keys of bytes to Node's ciphers and HMACs as KeyObjects in the whole process. Idempotent; the function returned undoes it.
 *
 * Node 24.21 finds out that a key is bytes by catching two exceptions, one for KeyObject and one for CryptoKey (its
 * lib/internal/crypto/keys.js, prepareSecretKey). Their stack traces take three times as long as the work itself, and Baileys and libsignal
 * do such work about twenty times for each message. A KeyObject is recognized at once.
 */
export function installKeyObjects(): () => void {
  restore ??= install();
  return () => {
    restore?.();
    restore = undefined;
  };
}

function install(): () => void {
  const undo = keyedFunctions.map((name) => {
    const original = crypto[name] as (...args: unknown[]) => unknown;
    Reflect.set(crypto, name, (algorithm: string, key: unknown, ...rest: unknown[]) =>
      Reflect.apply(original, crypto, [algorithm, keyObjectOf(key), ...rest]),
    );
    return () => Reflect.set(crypto, name, original);
  });
  syncBuiltinESMExports();
  return () => {
    for (const one of undo) one();
    syncBuiltinESMExports();
  };
}

/** Returns a key of bytes as a KeyObject, and any other key, or a wrong one, as it is. */
const keyObjectOf = (key: unknown): unknown => (key instanceof Uint8Array ? crypto.createSecretKey(key) : key);
