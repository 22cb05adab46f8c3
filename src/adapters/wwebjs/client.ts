import type { Browser, Frame, Page } from "puppeteer";
import wwebjs from "whatsapp-web.js";
import { closedByStatus, EngineEnd } from "./close-cause.ts";
import {
  catchUpWithSync,
  isEntered,
  keepEarlyMessages,
  otherIds,
  type PageStatus,
  pageStatus,
  refreshQr,
  takeEarlyMessages,
  unlinkDevice,
  watchPage,
} from "./page-script.ts";

declare module "whatsapp-web.js" {
  // What the library has and does not declare.
  interface Client {
    inject(): Promise<void>;
  }
}

/** What a page reports, in the order it happens. */
export interface PageReports {
  /** The page is there, whatever it shows. */
  loaded(): void;
  /** WhatsApp has sent something. */
  heard(): void;
  qr(value: string): void;
  state(state: string): void;
  /** The page has synchronised, and the library works in it. May come again. */
  ready(): void;
  /** A message as the library sees it. */
  message(data: object): void;
  /** The login was ended, here or on the phone. */
  loggedOut(): void;
  failed(error: unknown): void;
}

/** How a page is entered. */
export interface PageOptions {
  readonly proxyLogin: { readonly username: string; readonly password: string } | undefined;
  readonly deviceName: string | undefined;
  readonly browserName: string | undefined;
  /** For the page to be there. */
  readonly pageTimeoutMs: number;
  /** Messages sent before (Unix ms) are history; unset: all that the page has already are. */
  readonly reportedUntilMs: number | undefined;
}

const address = "https://web.whatsapp.com/";
/** What nobody looks at. Messages' media (mmg.whatsapp.net) is not among it: the history comes from the same place. */
const unneeded = ["*.woff", "*.woff2", "*.ttf", "*.mp4", "*.webm", "*.mp3", "*.ogg", "*://pps.whatsapp.net/*"];
const rememberedMessages = 1_000;

/**
 * whatsapp-web.js in a browser that somebody else starts and closes. Of the library's own life cycle only the injection is used:
 * the rest waits for ever, leaks browsers, or rejects where nobody listens.
 */
export class WebClient extends wwebjs.Client {
  readonly #page: Page;
  readonly #options: PageOptions;
  readonly #reports: PageReports;
  readonly #seen = new Set<string>();
  #entering: Promise<void> = Promise.resolve();
  #documents = 0;
  /** When the newest message reported was sent (Unix s); null: what the page has already is history. */
  #reportedUntilS: number | null;
  /** What the library has told before the page's earlier messages were taken: who is told of a later one will not look for those. */
  #held: object[] | undefined;

  /** Use `attach`. */
  constructor(browser: Browser, page: Page, options: PageOptions, reports: PageReports) {
    const { deviceName, browserName, pageTimeoutMs } = options;
    super({
      authTimeoutMs: pageTimeoutMs,
      webVersionCache: { type: "none" },
      ...(deviceName !== undefined && { deviceName }),
      ...(browserName !== undefined && { browserName }),
    });
    this.#page = page;
    this.#options = options;
    this.#reports = reports;
    this.#reportedUntilS = options.reportedUntilMs === undefined ? null : Math.floor(options.reportedUntilMs / 1_000);
    this.pupBrowser = browser;
    this.pupPage = page;
  }

  /** Takes the browser's first page. */
  static async attach(browser: Browser, options: PageOptions, reports: PageReports): Promise<WebClient> {
    const page = (await browser.pages())[0] ?? (await browser.newPage());
    return new WebClient(browser, page, options, reports);
  }

  /** The library's own would close the browser, at times of its choice. */
  override async destroy(): Promise<void> {}

  status(): Promise<PageStatus> {
    return this.#page.evaluate(pageStatus);
  }

  /** The other ids of these people, in their order; null where the page has none. */
  otherIds(ids: readonly string[]): Promise<(string | null)[]> {
    return this.#page.evaluate(otherIds, ids);
  }

  async picture(): Promise<Uint8Array> {
    return this.#page.screenshot({ type: "png", captureBeyondViewport: false });
  }

  /** Resolves when the page says the device is unlinked at WhatsApp. */
  async unlink(): Promise<void> {
    await this.#page.evaluate(unlinkDevice);
  }

  /** Asks the page for a new round of codes to scan. */
  async refreshQr(): Promise<void> {
    await this.#page.evaluate(refreshQr);
  }

  /** Asks for one pairing code; rejects with what WhatsApp says. */
  async pairingCode(phoneNumber: string): Promise<string> {
    return this.requestPairingCode(phoneNumber, true);
  }

  /** Goes to WhatsApp Web; resolves when the library is in the page, logged in or showing a code. Rejects with what prevents it. */
  async enter(): Promise<void> {
    const page = this.#page;
    const { proxyLogin, pageTimeoutMs } = this.#options;
    // Nobody is there to answer, and the page would wait.
    page.on("dialog", (dialog) => void dialog.dismiss().catch(() => {}));
    this.#listen();
    if (proxyLogin) await page.authenticate(proxyLogin);
    const userAgent = await page.browser().userAgent();
    await page.setUserAgent({ userAgent: userAgent.replace("HeadlessChrome", "Chrome") });
    const devtools = await page.createCDPSession();
    devtools.on("Network.webSocketFrameReceived", () => this.#reports.heard());
    // Nobody asks for bodies, so none need be kept.
    await devtools.send("Network.enable", { maxTotalBufferSize: 0, maxResourceBufferSize: 0 });
    await devtools.send("Network.setBlockedURLs", { urls: unneeded });
    await page.exposeFunction("sessiondReport", (kind: unknown, value: unknown) => this.#take(kind, value));
    const response = await page.goto(address, {
      waitUntil: "load",
      timeout: pageTimeoutMs,
      referer: "https://whatsapp.com/",
    });
    const status = response?.status() ?? 200;
    if (status >= 400) throw new EngineEnd(closedByStatus(status));
    this.#reports.loaded();
    page.on("framenavigated", (frame) => this.#navigated(frame));
    await this.#injectNext();
  }

  /** Once at a time, and once per document: the library's listeners would be doubled. */
  #injectNext(): Promise<void> {
    const document = this.#documents;
    const injected = this.#entering.then(async () => {
      try {
        if (await this.#page.evaluate(isEntered)) return;
        this.#held ??= [];
        await super.inject();
        await this.#page.evaluate(keepEarlyMessages);
        await this.#page.evaluate(watchPage);
        await this.#page.evaluate(catchUpWithSync);
      } catch (error) {
        // A document that is gone is not missed: the next one has its own turn.
        if (document === this.#documents && !isOfGoneDocument(error)) throw error;
      }
    });
    this.#entering = injected.catch(() => {});
    return injected;
  }

  #navigated(frame: Frame): void {
    if (frame !== this.#page.mainFrame()) return;
    this.#documents += 1;
    if (frame.url().includes("post_logout=1")) this.#reports.loggedOut();
    this.#injectNext().catch((error: unknown) => this.#reports.failed(error));
  }

  #listen(): void {
    this.on("qr", (value: string) => {
      // The page has no ref any more when a phone takes the code, and the library does not look.
      if (!/^(undefined|null)?,/.test(value)) this.#reports.qr(value);
    });
    this.on("ready", () => void this.#becomeReady());
    this.on("message_create", (message) => this.#hear(message.rawData));
  }

  async #becomeReady(): Promise<void> {
    try {
      this.#reports.ready();
      for (const message of await this.#page.evaluate(takeEarlyMessages, this.#reportedUntilS)) {
        this.#report(message);
      }
      const held = this.#held ?? [];
      this.#held = undefined;
      for (const message of held) this.#report(message);
    } catch (error) {
      this.#reports.failed(error);
    }
  }

  #take(kind: unknown, value: unknown): void {
    if (kind === "logout") this.#reports.loggedOut();
    else if (kind === "state" && typeof value === "string") this.#reports.state(value);
    else if (kind === "message" && typeof value === "object" && value !== null) this.#hear(value);
  }

  #hear(message: object): void {
    if (this.#held) this.#held.push(message);
    else this.#report(message);
  }

  /** A message can be seen by the library and by who looks for early ones. */
  #report(data: object): void {
    const id = "id" in data && typeof data.id === "object" && data.id !== null ? data.id : {};
    const key = "_serialized" in id ? String(id._serialized) : "";
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    for (const oldest of this.#seen) {
      if (this.#seen.size <= rememberedMessages) break;
      this.#seen.delete(oldest);
    }
    if ("t" in data && typeof data.t === "number") this.#reportedUntilS = Math.max(this.#reportedUntilS ?? 0, data.t);
    // The DevTools protocol tells of the frame it came in only later.
    this.#reports.heard();
    this.#reports.message(data);
  }
}

const isOfGoneDocument = (error: unknown): boolean =>
  error instanceof Error && /context was destroyed|Cannot find context|detached Frame/i.test(error.message);
