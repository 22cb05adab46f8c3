import { createCipheriv, createDecipheriv } from "node:crypto";

/** Bytes of content in a chunk; the last one may have fewer. */
export const chunkBytes = 64 * 1024;
const tagBytes = 16;
/** Bytes of a full chunk in the file. */
export const sealedChunkBytes = chunkBytes + tagBytes;
export const keyBytes = 32;
const nonceBytes = 12;
const algorithm = "aes-256-gcm";

/**
 * Encrypts a chunk under a key that no other file has. The nonce is the chunk's place, and a mark of the last chunk, so that no chunk can be
 * left out or moved (STREAM, Hoang, Reyhanitabar, Rogaway and Vizár 2015).
 */
export function sealChunk(key: Uint8Array, place: number, isLast: boolean, content: Uint8Array): Buffer {
  const cipher = createCipheriv(algorithm, key, nonceOf(place, isLast));
  const text = cipher.update(content);
  cipher.final();
  return Buffer.concat([text, cipher.getAuthTag()]);
}

/** Returns the content of a chunk. Throws if it is not the chunk that was sealed for this place. */
export function openChunk(key: Uint8Array, place: number, isLast: boolean, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv(algorithm, key, nonceOf(place, isLast));
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  const content = decipher.update(sealed.subarray(0, sealed.length - tagBytes));
  decipher.final();
  return content;
}

function nonceOf(place: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(nonceBytes);
  nonce.writeUIntBE(place, 0, 6);
  nonce.writeUInt8(isLast ? 1 : 0, nonceBytes - 1);
  return nonce;
}
