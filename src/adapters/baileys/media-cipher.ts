import { createCipheriv, createHash, createHmac, type Hash } from "node:crypto";
import { getMediaKeys, type MediaType } from "@whiskeysockets/baileys";

/** Keys of one file, derived from its media key. */
export interface MediaKeys {
  readonly cipherKey: Uint8Array;
  readonly iv: Uint8Array;
  readonly macKey: Uint8Array;
}

export const macBytes = 10;
export const blockBytes = 16;

/** Returns the keys for a file of a kind (whatsmeow, getMediaKeys). */
export async function keysOf(mediaKey: Uint8Array, type: MediaType): Promise<MediaKeys> {
  const { cipherKey, iv, macKey } = await getMediaKeys(Buffer.from(mediaKey), type);
  if (!macKey) throw new TypeError(`files of type ${type} are not encrypted`);
  return { cipherKey, iv, macKey };
}

/** Returns the size of a file at WhatsApp: padded to whole blocks, and the first bytes of an HMAC. */
export const encryptedSize = (size: number): number => (Math.floor(size / blockBytes) + 1) * blockBytes + macBytes;

/** Yields a file as it is stored at WhatsApp: AES-256-CBC, then the HMAC-SHA256 of IV and ciphertext, cut short. `plain` hashes the content. */
export async function* encrypt(
  content: AsyncIterable<Uint8Array>,
  { cipherKey, iv, macKey }: MediaKeys,
  plain?: Hash,
): AsyncGenerator<Uint8Array> {
  const cipher = createCipheriv("aes-256-cbc", cipherKey, iv);
  const hmac = createHmac("sha256", macKey).update(iv);
  for await (const bytes of content) {
    plain?.update(bytes);
    const encrypted = cipher.update(bytes);
    hmac.update(encrypted);
    yield encrypted;
  }
  const last = cipher.final();
  yield Buffer.concat([last, hmac.update(last).digest().subarray(0, macBytes)]);
}

/** Hashes of a file in clear and as it is stored at WhatsApp, and its size in clear. */
export interface FileHashes {
  readonly fileSha256: Buffer;
  readonly fileEncSha256: Buffer;
}

/** Returns the hashes of a file, which is read to its end. */
export async function hashesOf(content: AsyncIterable<Uint8Array>, keys: MediaKeys): Promise<FileHashes> {
  const [plain, encrypted] = [createHash("sha256"), createHash("sha256")];
  for await (const bytes of encrypt(content, keys, plain)) encrypted.update(bytes);
  return { fileSha256: plain.digest(), fileEncSha256: encrypted.digest() };
}
