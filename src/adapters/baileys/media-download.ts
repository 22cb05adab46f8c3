import { createDecipheriv, createHash, createHmac } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { FileGone, FileUnavailable } from "../../ports/media.ts";
import { blockBytes, keysOf, type MediaKeys, macBytes } from "./media-cipher.ts";
import { type ShownFile, sizeOf } from "./media-content.ts";
import { type MediaRoute, requestMedia } from "./media-host.ts";

/** Hosts of WhatsApp for files. Senders choose the URL in a message, so that nothing else in it is used. */
const ownHost = /^[a-z0-9.-]+\.whatsapp\.net$/;
const defaultHost = "mmg.whatsapp.net";

/** Options of a download. */
export interface DownloadOptions {
  /** Hosts that WhatsApp has named to this session. */
  readonly hosts: readonly string[];
  readonly route: MediaRoute;
  readonly signal: AbortSignal;
}

/** Asks for a file from byte `start` on, and returns its content, decrypted as it arrives. Rejects with FileUnavailable. */
export async function download(
  file: ShownFile,
  start: number,
  { hosts, route, signal }: DownloadOptions,
): Promise<AsyncIterable<Uint8Array>> {
  const { fields, type } = file;
  const { directPath, mediaKey } = fields;
  if (!directPath?.startsWith("/") || !mediaKey?.length) throw new FileUnavailable("has no place at WhatsApp");
  const keys = await keysOf(mediaKey, type);
  const stated = URL.parse(fields.url ?? "")?.host ?? "";
  const host = hosts.includes(stated) || ownHost.test(stated) ? stated : (hosts[0] ?? defaultHost);
  const firstBlock = Math.floor(start / blockBytes);
  // A block is decrypted with the one before it.
  const from = Math.max(0, (firstBlock - 1) * blockBytes);
  const headers = from > 0 ? { range: `bytes=${from}-` } : {};
  const response = await requestMedia({ method: "GET", host, path: directPath, headers, signal }, route).catch(
    (error: unknown) => {
      if (signal.aborted) throw signal.reason;
      throw new FileUnavailable("could not be fetched from WhatsApp", { cause: error });
    },
  );
  const { statusCode = 0 } = response;
  if (statusCode !== (from > 0 ? 206 : 200)) {
    response.destroy();
    if (statusCode === 404 || statusCode === 410) throw new FileGone("is no longer at WhatsApp");
    throw new FileUnavailable(`could not be fetched: WhatsApp answered ${statusCode}`);
  }
  if (start === 0) return wholeContent(response, keys, file);
  return contentFrom(response, keys, firstBlock > 0, start % blockBytes);
}

/** Yields a whole file, and checks at its end that it is the one that its sender has encrypted. */
async function* wholeContent(
  response: IncomingMessage,
  { cipherKey, iv, macKey }: MediaKeys,
  { fields }: ShownFile,
): AsyncGenerator<Uint8Array> {
  const hmac = createHmac("sha256", macKey).update(iv);
  const plain = createHash("sha256");
  const decipher = createDecipheriv("aes-256-cbc", cipherKey, iv);
  const mac = { bytes: Buffer.alloc(0) };
  let size = 0;
  const counted = (bytes: Buffer): Buffer => {
    plain.update(bytes);
    size += bytes.length;
    if (size > sizeOf(fields)) throw changed();
    return bytes;
  };
  for await (const text of withoutMac(response, mac)) {
    hmac.update(text);
    yield counted(decipher.update(text));
  }
  if (!hmac.digest().subarray(0, macBytes).equals(mac.bytes)) throw changed();
  yield counted(decipher.final());
  const { fileSha256 } = fields;
  if (size !== sizeOf(fields) || (fileSha256?.length && !plain.digest().equals(fileSha256))) throw changed();
}

/** Yields the rest of a file. What arrives begins with the block before it, if `hasBlockBefore`. */
async function* contentFrom(
  response: IncomingMessage,
  { cipherKey, iv: firstIv }: MediaKeys,
  hasBlockBefore: boolean,
  skipped: number,
): AsyncGenerator<Uint8Array> {
  const start: { before: Buffer; decipher: ReturnType<typeof createDecipheriv> | undefined } = {
    before: Buffer.alloc(0),
    decipher: hasBlockBefore ? undefined : createDecipheriv("aes-256-cbc", cipherKey, firstIv),
  };
  let toSkip = skipped;
  const rest = (bytes: Buffer): Buffer => {
    const kept = bytes.subarray(toSkip);
    toSkip -= bytes.length - kept.length;
    return kept;
  };
  for await (const text of withoutMac(response, { bytes: Buffer.alloc(0) })) {
    if (start.decipher) {
      yield rest(start.decipher.update(text));
      continue;
    }
    start.before = Buffer.concat([start.before, text]);
    if (start.before.length < blockBytes) continue;
    start.decipher = createDecipheriv("aes-256-cbc", cipherKey, start.before.subarray(0, blockBytes));
    yield rest(start.decipher.update(start.before.subarray(blockBytes)));
  }
  if (start.decipher) yield rest(start.decipher.final());
}

/** Yields what arrives without its last bytes, which go to `mac`. */
async function* withoutMac(response: IncomingMessage, mac: { bytes: Buffer }): AsyncGenerator<Buffer> {
  for await (const part of response as AsyncIterable<Buffer>) {
    const all = Buffer.concat([mac.bytes, part]);
    const end = Math.max(0, all.length - macBytes);
    mac.bytes = all.subarray(end);
    if (end > 0) yield all.subarray(0, end);
  }
}

const changed = () => new FileUnavailable("is not the one that its sender has encrypted");
