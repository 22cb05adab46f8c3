/** WhatsApp's hosts for files: take ciphertexts at the address that their hash gives, and hand them out again, by parts if asked. */
import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { proto } from "@whiskeysockets/baileys";
import { cert, key } from "../support/localhost-certificate.ts";
import { type BinaryNode, stanza } from "./stanza.ts";

export const mediaAuth = "emulator";
const macBytes = 10;

/** Names of the keys of each kind of file, and the paths to which it is uploaded. */
const infos: Readonly<Record<string, readonly [info: string, path: string]>> = {
  imageMessage: ["WhatsApp Image Keys", "/mms/image/"],
  videoMessage: ["WhatsApp Video Keys", "/mms/video/"],
  ptvMessage: ["WhatsApp Video Keys", "/mms/video/"],
  audioMessage: ["WhatsApp Audio Keys", "/mms/audio/"],
  documentMessage: ["WhatsApp Document Keys", "/mms/document/"],
  stickerMessage: ["WhatsApp Image Keys", "/mms/image/"],
};

/** Kinds of messages with a file. */
export type MediaKind =
  | "imageMessage"
  | "videoMessage"
  | "ptvMessage"
  | "audioMessage"
  | "documentMessage"
  | "stickerMessage";

/** The fields that every message with a file has. */
type Media = Pick<
  proto.Message.IImageMessage,
  "url" | "directPath" | "mediaKey" | "fileSha256" | "fileEncSha256" | "fileLength" | "mimetype"
>;

/** Answers a request in place of the host; returns false to let the host answer. */
export type MediaFault = (request: IncomingMessage, response: ServerResponse) => boolean;

/** The running hosts for files: one server. */
export class MediaHost {
  /** Files by their path. */
  readonly files = new Map<string, Buffer>();
  /** Method and path of each request, without the query. */
  readonly requests: string[] = [];
  /** Bodies that do not fit their address, and the like. Empty in a good test. */
  readonly faults: string[] = [];
  /** Failures on a test's command. */
  fault: MediaFault = () => false;
  /** False to forget what is uploaded, for large files. */
  keepsFiles = true;
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
    server.on("request", (request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        this.faults.push(String(error));
        response.destroy();
      });
    });
  }

  /** Host and port, as `media_conn` names it. */
  get name(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  /** Encrypts a file as a phone does, stores it, and returns the fields of the message that shows it. */
  store(kind: MediaKind, content: Uint8Array, mimetype: string): Media {
    const mediaKey = randomBytes(32);
    const encrypted = sealMedia(kind, mediaKey, content);
    const directPath = this.put(encrypted);
    return {
      url: `https://${this.name}${directPath}`,
      directPath,
      mediaKey,
      mimetype,
      fileSha256: createHash("sha256").update(content).digest(),
      fileEncSha256: createHash("sha256").update(encrypted).digest(),
      fileLength: content.length,
    };
  }

  /** Stores a ciphertext; returns its direct path. */
  put(encrypted: Uint8Array): string {
    const directPath = `/v/t62.7118-24/${randomBytes(12).toString("hex")}_n.enc`;
    this.files.set(directPath, Buffer.from(encrypted));
    return directPath;
  }

  /** Returns the content of the file that a message shows. Throws unless its address, hashes, size and HMAC are right. */
  open(content: proto.IMessage): Buffer {
    const [kind, media] = mediaIn(content);
    const encrypted = this.files.get(media.directPath ?? "");
    if (!encrypted) throw new Error(`there is no file at ${media.directPath}`);
    return openMedia(kind, media, encrypted);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "", "https://media");
    this.requests.push(`${request.method} ${pathname}`);
    if (this.fault(request, response)) return;
    if (request.method === "POST") await this.#take(request, response, pathname, searchParams);
    else this.#give(request, response, pathname);
  }

  async #take(request: IncomingMessage, response: ServerResponse, path: string, query: URLSearchParams) {
    const token = path.split("/").at(-1) ?? "";
    const isKnown = Object.values(infos).some(([, prefix]) => path === prefix + token);
    if (query.get("auth") !== mediaAuth || query.get("token") !== token || !isKnown) {
      request.resume();
      response.writeHead(403).end(JSON.stringify({ error: "forbidden" }));
      return;
    }
    const hash = createHash("sha256");
    const parts: Buffer[] = [];
    for await (const part of request) {
      hash.update(part);
      if (this.keepsFiles) parts.push(part);
    }
    if (hash.digest("base64url") !== token) {
      this.faults.push(`the file at ${path} has another hash`);
      response.writeHead(400).end("{}");
      return;
    }
    const directPath = this.put(Buffer.concat(parts));
    const answer = { url: `https://${this.name}${directPath}`, direct_path: directPath, handle: "" };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  }

  #give(request: IncomingMessage, response: ServerResponse, path: string): void {
    const file = this.files.get(path);
    if (!file) {
      response.writeHead(404).end();
      return;
    }
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    if (first === undefined) {
      response.writeHead(200, { "content-length": file.length, "accept-ranges": "bytes" }).end(file);
      return;
    }
    const part = file.subarray(Number(first), last ? Number(last) + 1 : undefined);
    const range = `bytes ${first}-${Number(first) + part.length - 1}/${file.length}`;
    response.writeHead(206, { "content-length": part.length, "content-range": range }).end(part);
  }
}

/** Starts the hosts for files, over TLS with a certificate that nobody has signed. */
export async function startMediaHost(): Promise<MediaHost> {
  const server = createServer({ key, cert });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return new MediaHost(server);
}

/** Returns the kind and the fields of the file that a message shows. */
export function mediaIn(content: proto.IMessage): [MediaKind, Media] {
  for (const kind of Object.keys(infos)) {
    const media: unknown = Reflect.get(content, kind);
    if (media) return [kind as MediaKind, media as Media];
  }
  throw new Error("the message has no file");
}

/** A phone's answer to a device that asks for a file which is no longer at its place: the new place, or undefined for none. */
export interface Reupload {
  readonly mediaKey: Uint8Array;
  readonly directPath: string | undefined;
}

/** Returns the notification that brings a phone's answer (whatsmeow, mediaretry.go). */
export function reuploadNotification(from: string, id: string, rmr: BinaryNode, reupload: Reupload): BinaryNode {
  const { mediaKey, directPath } = reupload;
  const attributes = { type: "mediaretry", id, from };
  if (directPath === undefined) return stanza("notification", attributes, [stanza("error", { code: 2 }), rmr]);
  const { SUCCESS } = proto.MediaRetryNotification.ResultType;
  const plain = proto.MediaRetryNotification.encode({ stanzaId: id, directPath, result: SUCCESS }).finish();
  const retryKey = Buffer.from(hkdfSync("sha256", mediaKey, Buffer.alloc(32), "WhatsApp Media Retry Notification", 32));
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", retryKey, iv).setAAD(Buffer.from(id));
  const sealed = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  const encrypted = stanza("encrypt", {}, [stanza("enc_p", {}, sealed), stanza("enc_iv", {}, iv)]);
  return stanza("notification", attributes, [rmr, encrypted]);
}

function keysOf(kind: string, mediaKey: Uint8Array) {
  const bytes = Buffer.from(hkdfSync("sha256", mediaKey, Buffer.alloc(32), infos[kind]?.[0] ?? "", 112));
  return { iv: bytes.subarray(0, 16), cipherKey: bytes.subarray(16, 48), macKey: bytes.subarray(48, 80) };
}

function sealMedia(kind: string, mediaKey: Uint8Array, content: Uint8Array): Buffer {
  const { iv, cipherKey, macKey } = keysOf(kind, mediaKey);
  const cipher = createCipheriv("aes-256-cbc", cipherKey, iv);
  const text = Buffer.concat([cipher.update(content), cipher.final()]);
  return Buffer.concat([text, createHmac("sha256", macKey).update(iv).update(text).digest().subarray(0, macBytes)]);
}

function openMedia(kind: string, media: Media, encrypted: Buffer): Buffer {
  const { iv, cipherKey, macKey } = keysOf(kind, media.mediaKey ?? Buffer.alloc(0));
  const text = encrypted.subarray(0, -macBytes);
  const mac = createHmac("sha256", macKey).update(iv).update(text).digest().subarray(0, macBytes);
  if (!mac.equals(encrypted.subarray(-macBytes))) throw new Error("the file has another HMAC");
  const decipher = createDecipheriv("aes-256-cbc", cipherKey, iv);
  const content = Buffer.concat([decipher.update(text), decipher.final()]);
  const hashes: [string, Uint8Array | null | undefined, Buffer][] = [
    ["fileSha256", media.fileSha256, content],
    ["fileEncSha256", media.fileEncSha256, encrypted],
  ];
  for (const [name, stated, bytes] of hashes) {
    if (
      !createHash("sha256")
        .update(bytes)
        .digest()
        .equals(stated ?? Buffer.alloc(0))
    )
      throw new Error(`${name} is wrong`);
  }
  if (Number(media.fileLength) !== content.length) throw new Error("fileLength is wrong");
  return content;
}
