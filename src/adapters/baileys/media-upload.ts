import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { MEDIA_PATH_MAP, type MediaType, type proto, type WASocket } from "@whiskeysockets/baileys";
import { type OpenFile, SendRefused } from "../../ports/sending.ts";
import type { Clock } from "../../ports/system.ts";
import { encrypt, encryptedSize, hashesOf, keysOf } from "./media-cipher.ts";
import { type MediaRoute, requestMedia } from "./media-host.ts";

/** Fields of every message with a file (WAProto, such as ImageMessage). */
export type UploadedFile = Required<
  Pick<
    proto.Message.IImageMessage,
    "url" | "directPath" | "mediaKey" | "mediaKeyTimestamp" | "fileSha256" | "fileEncSha256" | "fileLength"
  >
>;

/** Dependencies of an upload. */
export interface UploadOptions {
  readonly clock: Clock;
  readonly socket: Pick<WASocket, "refreshMediaConn">;
  readonly route: MediaRoute;
}

const maxAnswerBytes = 64 * 1024;
/** Rounds over all hosts, and the pause between them. */
const rounds = 2;
const pauseMs = 1_000;

/**
 * Uploads a file to WhatsApp, encrypted under a new key. The file is read twice, since its address contains the hash of its ciphertext; at
 * no time is it in memory or on disk as a whole. Rejects with SendRefused.
 */
export async function upload(
  open: OpenFile,
  size: number,
  type: MediaType,
  { clock, socket, route }: UploadOptions,
): Promise<UploadedFile> {
  const mediaKey = randomBytes(32);
  const keys = await keysOf(mediaKey, type);
  const hashes = await hashesOf(open(), keys);
  const token = hashes.fileEncSha256.toString("base64url");
  for (let round = 0; round < rounds; round += 1) {
    if (round > 0) await delay(pauseMs);
    // After a refusal the authorization may be a new one.
    const { hosts, auth } = await socket.refreshMediaConn(round > 0);
    const path = `${MEDIA_PATH_MAP[type]}/${token}?auth=${encodeURIComponent(auth)}&token=${token}`;
    for (const { hostname: host } of hosts) {
      const place = await post({ host, path, open: () => encrypt(open(), keys), size: encryptedSize(size) }, route);
      if (!place) continue;
      const mediaKeyTimestamp = Math.floor(clock.wallMs() / 1_000);
      return { ...place, ...hashes, mediaKey, mediaKeyTimestamp, fileLength: size };
    }
  }
  throw new SendRefused("MEDIA_UNAVAILABLE", "WhatsApp's servers for files do not answer");
}

/** Sends a file to one host; returns its place there, or undefined if another host may take it. Rejects with SendRefused. */
async function post(
  { host, path, open, size }: { host: string; path: string; open: OpenFile; size: number },
  route: MediaRoute,
): Promise<Pick<UploadedFile, "url" | "directPath"> | undefined> {
  const headers = { "content-type": "application/octet-stream", "content-length": size };
  try {
    const response = await requestMedia({ method: "POST", host, path, headers, body: open }, route);
    const { statusCode = 0 } = response;
    const answer = await textOf(response);
    if (statusCode === 413) throw new SendRefused("MEDIA_REFUSED", "WhatsApp refused the file: it is too large");
    return statusCode >= 200 && statusCode < 300 ? placeIn(answer) : undefined;
  } catch (error) {
    if (error instanceof SendRefused) throw error;
    return undefined;
  }
}

async function textOf(response: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response) {
    size += part.length;
    if (size > maxAnswerBytes) throw new Error("the answer is too long");
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function placeIn(text: string): Pick<UploadedFile, "url" | "directPath"> | undefined {
  const answer: unknown = JSON.parse(text);
  if (typeof answer !== "object" || answer === null) return undefined;
  const url: unknown = Reflect.get(answer, "url");
  const directPath: unknown = Reflect.get(answer, "direct_path");
  return typeof url === "string" && typeof directPath === "string" ? { url, directPath } : undefined;
}
