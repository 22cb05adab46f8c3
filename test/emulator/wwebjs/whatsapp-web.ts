/** https://web.whatsapp.com/ on loopback: the page that whatsapp-web.js drives, and its accounts. */
import { createHash, X509Certificate } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { toFileStream } from "qrcode";
import { type WebSocket, WebSocketServer } from "ws";
import { PageLink } from "./page-link.ts";
import type { SentWebMessage, ServerAnswer } from "./sent-messages.ts";
import { WebPhone } from "./web-phone.ts";

const near = (name: string) => new URL(name, import.meta.url);
const key = readFileSync(near("web.whatsapp.com.key.pem"));
const cert = readFileSync(near("web.whatsapp.com.cert.pem"));
const pin = createHash("sha256")
  .update(new X509Certificate(cert).publicKey.export({ type: "spki", format: "der" }))
  .digest("base64");

const files: Readonly<Record<string, { readonly type: string; readonly body: Buffer }>> = Object.fromEntries(
  [
    ["/", "page.html"],
    ...["app", "models", "people", "sending", "media", "login", "link"].map((name) => [`/${name}.js`, `${name}.js`]),
  ].map(([path = "", name = ""]) => [
    path,
    { type: name.endsWith(".js") ? "text/javascript" : "text/html", body: readFileSync(near(`page/${name}`)) },
  ]),
);

/** Answer to a browser's request for the page: the page, an HTTP status, nothing, or the end of the connection. */
export type PageAnswer = "page" | "wrong page" | "silence" | "stall" | "reset" | number;

/** Options of the emulator. All have defaults. */
export interface WhatsAppWebOptions {
  /** Default 0 takes a free port. */
  readonly port?: number;
  /** Time from the login to the end of the synchronisation. */
  readonly syncMs?: number;
}

/** Starts an emulated WhatsApp Web and resolves when it listens. The caller must `close()` it. */
export async function startWhatsAppWeb(options: WhatsAppWebOptions = {}): Promise<WhatsAppWeb> {
  const server = createServer({ key, cert });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  return new WhatsAppWeb(server, options);
}

const waitMs = 60_000;

/** The running emulator. */
export class WhatsAppWeb {
  /** Arguments for Chromium. They make all other names resolve to nothing. */
  readonly chromeArgs: readonly string[];
  readonly port: number;
  /** Makes Chromium accept the emulator's certificate when it is reached through a proxy. */
  readonly pinArg = `--ignore-certificate-errors-spki-list=${pin}`;
  readonly syncMs: number;
  /** Lifetime of each of a round's six codes, for pages that connect from now on; null for unlimited. */
  refLifeMs: number | null = null;
  /** Answer to requests for the page. */
  pageAnswer: PageAnswer = "page";
  /** Refuses the page's WebSocket while it is set, as if the link were down. */
  refusesSockets = false;
  /** Lets the page complete its synchronisation before a client can inspect it. */
  earlySync = false;
  /** Lets pages synchronise again while the client enters them. */
  syncsTwice = false;
  /** Text of the error with which requests for a pairing code are refused while it is set. */
  linkCodeRefusal: string | undefined;
  /** The server's answer to a message that a page sends. */
  answerTo: (message: SentWebMessage) => ServerAnswer = () => ({});
  /** The number of the account that a number leads to, if it is another one; null for none. */
  readonly numbering = new Map<string, string | null>();
  /** Returns the title of a link's preview. An error fails the preview. */
  titleOf: (url: string) => string = (url) => `Title of ${url}`;
  /** Files that pages have uploaded, by path. */
  readonly uploads = new Map<string, Buffer>();
  /** HTTP status of the answer to uploads, in place of taking them. */
  uploadStatus: number | undefined;
  /** Members of groups by the group's id. */
  readonly groups = new Map<string, readonly WebPhone[]>();
  /** Lets pages that log in address people's chats by LID. */
  chatsByLid = false;
  /** Lets pages send what an earlier document has stored and not sent. */
  sendsPending = false;
  /** Requests of browsers, as "GET /path". */
  readonly requests: string[] = [];
  readonly #changes = new EventEmitter().setMaxListeners(0);
  readonly #server: Server;
  readonly #webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  readonly #phones = new Map<string, WebPhone>();
  readonly #pages = new Set<PageLink>();
  #nextUpload = 0;
  #nextNumber = 15550000001;

  /** For `startWhatsAppWeb` only. */
  constructor(server: Server, { syncMs = 60 }: WhatsAppWebOptions) {
    this.syncMs = syncMs;
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    const rules = `MAP web.whatsapp.com 127.0.0.1:${this.port},MAP * ~NOTFOUND`;
    this.chromeArgs = [`--host-resolver-rules=${rules}`, this.pinArg];
    server.on("request", (request, response) => this.#answer(request, response));
    server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    server.on("tlsClientError", () => {});
  }

  /**
   * Returns the account with this number, or a new account with a new number. The name applies to new accounts only.
   */
  phone(number?: string, profile: { readonly name?: string | undefined } = {}): WebPhone {
    const known = number === undefined ? undefined : this.#phones.get(number);
    if (known) return known;
    const chosen = number ?? this.#freeNumber();
    if (!/^\d{5,15}$/.test(chosen)) throw new Error(`${chosen} must be a phone number of 5 to 15 digits`);
    const phone = new WebPhone(this, chosen, profile.name ?? `Phone ${chosen}`);
    this.#phones.set(chosen, phone);
    return phone;
  }

  /** Returns the account with this number or LID, as a chat id. */
  named(id: string): WebPhone | undefined {
    return [...this.#phones.values()].find(({ jid, lid }) => jid === id || lid === id);
  }

  /** Returns the ids of the account that a number or LID leads to; null if there is none. */
  accountNamed(id: string): { readonly number: string; readonly lid: string } | null {
    const [user = ""] = id.split("@");
    const number = id.endsWith("@c.us") && this.numbering.has(user) ? this.numbering.get(user) : user;
    const phone = this.named(id.endsWith("@c.us") ? `${number}@c.us` : id);
    return phone ? { number: phone.jid, lid: phone.lid } : null;
  }

  /** Adds a group of these accounts; returns its id. */
  group(members: readonly WebPhone[]): string {
    const id = `12036300000000${String(1_000 + this.groups.size)}@g.us`;
    this.groups.set(id, members);
    return id;
  }

  /** Returns the account of a device. */
  ownerOf(jid: string): WebPhone | undefined {
    return this.#phones.get(jid.split(":")[0] ?? "");
  }

  /** Pages connected now. */
  get pages(): readonly PageLink[] {
    return [...this.#pages];
  }

  /** Refuses requests for a pairing code, until called with null. */
  refuseLinkCodes(text: string | null): void {
    this.linkCodeRefusal = text ?? undefined;
  }

  /** Cuts all links. With `refusesSockets` they stay down. */
  dropLinks(): void {
    for (const page of this.#pages) page.hangUp();
  }

  /** Resolves as soon as the condition holds, checked after each change; rejects after a minute. */
  async until(condition: () => boolean): Promise<void> {
    const signal = AbortSignal.timeout(waitMs);
    while (!condition()) await once(this.#changes, "change", { signal });
  }

  /** Called by the emulator's parts after each change that a waiting test may look for. */
  changed(): void {
    this.#changes.emit("change");
  }

  /** Closes all sockets and stops listening. */
  async close(): Promise<void> {
    for (const page of this.#pages) page.hangUp();
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #freeNumber(): string {
    while (this.#phones.has(String(this.#nextNumber))) this.#nextNumber += 1;
    return String(this.#nextNumber++);
  }

  async #takeUpload(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    if (this.uploadStatus !== undefined) return void response.writeHead(this.uploadStatus).end();
    response.end(this.addUpload(Buffer.concat(parts)));
  }

  /** Stores a file and returns its path. */
  addUpload(content: Buffer): string {
    const path = `/mms/${this.#nextUpload++}`;
    this.uploads.set(path, content);
    return path;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method, url, socket } = request;
    const { pathname: path, searchParams } = new URL(url ?? "/", "https://web.whatsapp.com");
    this.requests.push(`${method} ${path}`);
    this.changed();
    const { pageAnswer } = this;
    if (path === "/mms" && method === "POST") void this.#takeUpload(request, response).catch(() => response.destroy());
    else if (path.startsWith("/mms/"))
      response.writeHead(this.uploads.has(path) ? 200 : 404).end(this.uploads.get(path));
    else if (path === "/code.png") void toFileStream(response, searchParams.get("text") ?? "");
    else if (path === "/early") response.end(this.earlySync ? "yes" : "no");
    else if (path === "/wrong" || (path === "/" && pageAnswer === "wrong page"))
      response.end("<h1>Something else</h1>");
    else if (path === "/" && typeof pageAnswer === "number") response.writeHead(pageAnswer).end();
    else if (path === "/" && pageAnswer === "reset") socket.destroy();
    else if (path === "/" && pageAnswer === "stall") response.writeHead(200, { "Content-Length": 1_000 }).write("<!");
    else if (path === "/" && pageAnswer === "silence") return;
    else {
      const file = files[path];
      if (file) response.writeHead(200, { "Content-Type": file.type, "Cache-Control": "no-store" }).end(file.body);
      else response.writeHead(404).end();
    }
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.refusesSockets) {
      socket.end("HTTP/1.1 503 Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => this.#connect(webSocket));
  }

  #connect(webSocket: WebSocket): void {
    const page = new PageLink(this, webSocket);
    this.#pages.add(page);
    webSocket.on("close", () => {
      this.#pages.delete(page);
      this.changed();
    });
    webSocket.on("error", () => {});
    this.changed();
  }
}
