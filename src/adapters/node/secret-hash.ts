import { hash } from "node:crypto";

/** Returns the hash that is stored in the place of a random secret. Too short a secret could be guessed from it: a password needs more. */
export const hashSecret = (secret: string): string => hash("sha256", secret, "base64url");

/** Returns the SHA-256 of some bytes. */
export const sha256 = (bytes: Uint8Array): Uint8Array => hash("sha256", bytes, "buffer");
