/** https://web.whatsapp.com/ on loopback: the page that whatsapp-web.js drives, and the accounts behind it. */
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
import { WebPhone } from "./web-phone.ts";

const near = (name: string) => new URL(name, import.meta.url);
const key = readFileSync(near("web.whatsapp.com.key.pem"));
const cert = readFileSync(near("web.whatsapp.com.cert.pem"));
const pin = createHash("sha256")
  .update(new X509Certificate(cert).publicKey.export({ type: "spki", format: "der" }))
  .digest("base64");

const files: Readonly<Record<string, { readonly type: string; readonly body: Buffer }>> = Object.fromEntries(
  [["/", "page.html"], ...["app", "models", "login", "link"].map((name) => [`/${name}.js`, `${name}.js`])].map(
    ([path = "", name = ""]) => [
      path,
      { type: name.endsWith(".js") ? "text/javascript" : "text/html", body: readFileSync(near(`page/${name}`)) },
    ],
  ),
);

/** What a browser is told when it asks for the page: the page, an HTTP status, nothing at all, or the end of the connection. */
export type PageAnswer = "page" | "wrong page" | "silence" | "stall" | "reset" | number;

/** How the emulator is to run; all of it has defaults. */
export interface WhatsAppWebOptions {
  /** 0, the default, takes a free port. */
  readonly port?: number;
  /** From the login to the end of the synchronisation. */
  readonly syncMs?: number;
}

/** Starts an emulated WhatsApp Web and resolves when it listens. `close()` it when done. */
export async function startWhatsAppWeb(options: WhatsAppWebOptions = {}): Promise<WhatsAppWeb> {
  const server = createServer({ key, cert });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  return new WhatsAppWeb(server, options);
}

const waitMs = 60_000;

/** The running emulator. */
export class WhatsAppWeb {
  /** What Chromium is to be started with; all other names lead nowhere then. */
  readonly chromeArgs: readonly string[];
  readonly port: number;
  /** Makes Chromium accept the emulator's certificate, for when it is reached through a proxy. */
  readonly pinArg = `--ignore-certificate-errors-spki-list=${pin}`;
  readonly syncMs: number;
  /** How long each of a round's six codes lives, for pages that connect from now on; null: for ever. */
  refLifeMs: number | null = null;
  /** How requests for the page are answered. */
  pageAnswer: PageAnswer = "page";
  /** Refuses the page's WebSocket while it is set: the link is down. */
  refusesSockets = false;
  /** Lets the page finish its synchronisation before anybody can look at it. */
  earlySync = false;
  /** Refuses requests for a pairing code with an error of this text while it is set. */
  linkCodeRefusal: string | undefined;
  /** What browsers have asked for, as "GET /path". */
  readonly requests: string[] = [];
  readonly #changes = new EventEmitter().setMaxListeners(0);
  readonly #server: Server;
  readonly #webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  readonly #phones = new Map<string, WebPhone>();
  readonly #pages = new Set<PageLink>();
  #nextNumber = 15550000001;

  /** Use `startWhatsAppWeb`. */
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

  /** The account with this number; without a number, a new account with a number of its own. The name counts for new ones. */
  phone(number?: string, profile: { readonly name?: string | undefined } = {}): WebPhone {
    const known = number === undefined ? undefined : this.#phones.get(number);
    if (known) return known;
    const chosen = number ?? this.#freeNumber();
    if (!/^\d{5,15}$/.test(chosen)) throw new Error(`not a phone number: ${chosen}`);
    const phone = new WebPhone(this, chosen, profile.name ?? `Phone ${chosen}`);
    this.#phones.set(chosen, phone);
    return phone;
  }

  /** The account of a device. */
  ownerOf(jid: string): WebPhone | undefined {
    return this.#phones.get(jid.split(":")[0] ?? "");
  }

  /** The pages that are connected now. */
  get pages(): readonly PageLink[] {
    return [...this.#pages];
  }

  /** Refuses requests for a pairing code, until called with null. */
  refuseLinkCodes(text: string | null): void {
    this.linkCodeRefusal = text ?? undefined;
  }

  /** Cuts all links; with `refusesSockets` they stay down. */
  dropLinks(): void {
    for (const page of this.#pages) page.hangUp();
  }

  /** Resolves as soon as the condition holds, which is looked at after each change; rejects after a minute. */
  async until(condition: () => boolean): Promise<void> {
    const signal = AbortSignal.timeout(waitMs);
    while (!condition()) await once(this.#changes, "change", { signal });
  }

  /** For the emulator's parts: something a waiting test may look for has happened. */
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

  #answer({ method, url, socket }: IncomingMessage, response: ServerResponse): void {
    const { pathname: path, searchParams } = new URL(url ?? "/", "https://web.whatsapp.com");
    this.requests.push(`${method} ${path}`);
    this.changed();
    const { pageAnswer } = this;
    if (path === "/code.png") void toFileStream(response, searchParams.get("text") ?? "");
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
