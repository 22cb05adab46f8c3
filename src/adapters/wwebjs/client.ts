import type { Browser, Frame, Page } from "puppeteer";
import wwebjs from "whatsapp-web.js";
import { EngineEnd } from "../engine/close-cause.ts";
import { closedByStatus } from "./close-cause.ts";
import { isUndecrypted, pageIdOf } from "./message.ts";
import type { ChangeKind } from "./message-change.ts";
import { holdEarlyChanges, takeEarlyChanges } from "./page-changes.ts";
import * as files from "./page-files.ts";
import {
  catchUpWithSync,
  holdEarlyMessages,
  isEntered,
  otherIds,
  type PageStatus,
  pageStatus,
  refreshQr,
  takeEarlyMessages,
  takeMessages,
  unlinkDevice,
  watchPage,
} from "./page-script.ts";
import * as sending from "./page-sending.ts";

declare module "whatsapp-web.js" {
  // The library does not declare these methods.
  interface Client {
    inject(): Promise<void>;
    attachEventListeners(): Promise<void>;
  }
}

/** Callbacks of a page, in the order in which things happen. */
export interface PageReports {
  /** The page is loaded. */
  loaded(): void;
  /** WhatsApp has sent something. */
  heard(): void;
  qr(value: string): void;
  state(state: string): void;
  /** The page has synchronised, and the library works in it. May be called again. */
  ready(): void;
  /** A message in the library's form. */
  message(data: object): void;
  /** A message that the page cannot decrypt yet. If it can later, `message` follows. */
  undecrypted(id: string): void;
  /** WhatsApp reports on a message that the account sent. */
  ack(ack: sending.PageAck): void;
  /** WhatsApp refuses a message; `ack` follows. */
  refusal(id: string, error: string): void;
  /** A message got a reaction, another text, or was deleted. */
  change(kind: ChangeKind, data: object): void;
  /** The login was ended, here or on the phone. */
  loggedOut(): void;
  failed(error: unknown): void;
}

/** Options of a page. */
export interface PageOptions {
  readonly proxyLogin: { readonly username: string; readonly password: string } | undefined;
  readonly deviceName: string | undefined;
  readonly browserName: string | undefined;
  /** For the page to load. */
  readonly pageTimeoutMs: number;
  /** Messages sent before this time (Unix ms) are history. Unset: all messages that the page already has are. */
  readonly reportedUntilMs: number | undefined;
  /** Ids of messages that earlier pages could not decrypt yet. */
  readonly undecrypted: readonly string[];
}

const address = "https://web.whatsapp.com/";
/** Blocked resources that only a human would see. Messages' media (mmg.whatsapp.net) passes: the history comes from the same host. */
const unneeded = ["*.woff", "*.woff2", "*.ttf", "*.mp4", "*.webm", "*.mp3", "*.ogg", "*://pps.whatsapp.net/*"];
const rememberedMessages = 1_000;
/** Messages of which acknowledgements or reactions are reported again when a page is ready: the last page may have stored them only. */
const repeatedMessages = 200;

/**
 * whatsapp-web.js in a browser that the engine starts and closes. Uses only the injection of the library's life cycle: the rest can
 * wait forever, leak browsers, or cause unhandled rejections.
 */
export class WebClient extends wwebjs.Client {
  readonly #page: Page;
  readonly #options: PageOptions;
  readonly #reports: PageReports;
  readonly #seen = new Set<string>();
  readonly #undecrypted: Set<string>;
  #entering: Promise<void> = Promise.resolve();
  #documents = 0;
  /** True if the library hears the messages of the current document. */
  #isListening = false;
  /** Send time of the newest reported message (Unix s); null: all messages that the page already has are history. */
  #reportedUntilS: number | null;
  /** Messages that the library has reported before the page's earlier messages were taken; undefined afterwards. */
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
    this.#undecrypted = new Set(options.undecrypted);
    this.#reportedUntilS = options.reportedUntilMs === undefined ? null : Math.floor(options.reportedUntilMs / 1_000);
    this.pupBrowser = browser;
    this.pupPage = page;
  }

  /** Attaches to the browser's first page. */
  static async attach(browser: Browser, options: PageOptions, reports: PageReports): Promise<WebClient> {
    const page = (await browser.pages())[0] ?? (await browser.newPage());
    return new WebClient(browser, page, options, reports);
  }

  /** Does nothing: the library's own method would close the browser. */
  override async destroy(): Promise<void> {}

  /** Called by the library in each document. */
  override async attachEventListeners(): Promise<void> {
    await super.attachEventListeners();
    this.#isListening = true;
  }

  /** Asks the page for its state and account. */
  status(): Promise<PageStatus> {
    return this.#page.evaluate(pageStatus);
  }

  /** Returns the other ids of these people, in their order; null where the page knows none. */
  otherIds(ids: readonly string[]): Promise<(string | null)[]> {
    return this.#page.evaluate(otherIds, ids);
  }

  /** See page-sending.ts. */
  send(request: sending.PageRequest): Promise<sending.PageOutcome | null> {
    return this.#page.evaluate(sending.sendMessage, request);
  }

  /** Adds bytes to the file of a message; `at` is their place. */
  addToFile(id: string, at: number, bytes: Uint8Array): Promise<void> {
    return this.#page.evaluate(sending.addToFile, { id, at, base64: Buffer.from(bytes).toString("base64") });
  }

  /** Forgets the file of a message that is not sent. */
  dropFile(id: string): Promise<void> {
    return this.#page.evaluate(sending.dropFile, id);
  }

  /** Reacts to a message of the page. Returns false if the page does not have it; rejects if WhatsApp refuses the reaction. */
  async react(reaction: { id: string; messageId: string; text: string }): Promise<void> {
    if (!(await this.#page.evaluate(sending.sendReaction, reaction))) throw new Error("the page has no such message");
  }

  /** Returns the key of a message in one of these chats; undefined if the page has none. */
  findMessage(name: Parameters<typeof sending.findMessage>[0]): ReturnType<typeof sending.findMessage> {
    return this.#page.evaluate(sending.findMessage, name);
  }

  /** Returns the page's id of a chat; undefined if there is none. */
  chatIdOf(id: string): Promise<string | undefined> {
    return this.#page.evaluate(sending.chatIdIn, id);
  }

  /** Returns the ids of the persons in a chat; undefined if the page does not know them. */
  membersOf(id: string): Promise<string[] | undefined> {
    return this.#page.evaluate(sending.membersOf, id);
  }

  /** Returns the file of a message; undefined if it has none. */
  describeFile(key: string): Promise<files.PageFileInfo | undefined> {
    return this.#page.evaluate(files.describeFile, key);
  }

  /** Has the page fetch a message's file for the reader `id`. See page-files.ts. */
  openFile(key: string, id: string): ReturnType<typeof files.openFile> {
    return this.#page.evaluate(files.openFile, { key, id });
  }

  /** Returns bytes of a file that a reader has opened; undefined if the page has it no more. */
  async readFile(id: string, at: number, length: number): Promise<Uint8Array | undefined> {
    const base64 = await this.#page.evaluate(files.readFile, { id, at, length });
    return base64 === undefined ? undefined : Buffer.from(base64, "base64");
  }

  /** Forgets a file that a reader has opened. */
  closeFile(id: string): Promise<void> {
    return this.#page.evaluate(files.closeFile, id);
  }

  /** Shows or hides that the account is typing. */
  setTyping(chatId: string, isTyping: boolean): Promise<void> {
    return this.#page.evaluate(sending.setTyping, { chatId, isTyping });
  }

  /** Takes a picture of the page as PNG. */
  async picture(): Promise<Uint8Array> {
    return this.#page.screenshot({ type: "png", captureBeyondViewport: false });
  }

  /** Resolves when the page says the device is unlinked at WhatsApp. */
  async unlink(): Promise<void> {
    await this.#page.evaluate(unlinkDevice);
  }

  /** Asks the page for more codes to scan. */
  async refreshQr(): Promise<void> {
    await this.#page.evaluate(refreshQr);
  }

  /** Asks for one pairing code; rejects with WhatsApp's reason. */
  async pairingCode(phoneNumber: string): Promise<string> {
    return this.requestPairingCode(phoneNumber, true);
  }

  /** Opens WhatsApp Web; resolves when the library is in the page, which is logged in or shows a code. Rejects with the obstacle. */
  async enter(): Promise<void> {
    const page = this.#page;
    const { proxyLogin, pageTimeoutMs } = this.#options;
    // The page would wait for an answer.
    page.on("dialog", (dialog) => void dialog.dismiss().catch(() => {}));
    this.#listen();
    if (proxyLogin) await page.authenticate(proxyLogin);
    const userAgent = await page.browser().userAgent();
    await page.setUserAgent({ userAgent: userAgent.replace("HeadlessChrome", "Chrome") });
    const devtools = await page.createCDPSession();
    devtools.on("Network.webSocketFrameReceived", () => this.#reports.heard());
    // Bodies are not read, so the browser need not buffer them.
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

  /** Injects the library, once per document and never twice at a time: its listeners would be doubled. */
  #injectNext(): Promise<void> {
    const document = this.#documents;
    const injected = this.#entering.then(async () => {
      try {
        if (await this.#page.evaluate(isEntered)) return;
        this.#held ??= [];
        this.#isListening = false;
        await super.inject();
        await this.#page.evaluate(holdEarlyMessages);
        await this.#page.evaluate(holdEarlyChanges);
        await this.#page.evaluate(watchPage);
        await this.#page.evaluate(catchUpWithSync);
      } catch (error) {
        // If the document has been replaced, the next one gets its own injection.
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
      // When a phone takes the code, the page has no ref any more, and the library reports it as undefined.
      if (!/^(undefined|null)?,/.test(value)) this.#reports.qr(value);
    });
    this.on("ready", () => {
      // If the page synchronises twice at once, the library also reports this before it listens.
      if (this.#isListening) void this.#becomeReady();
    });
    this.on("message_create", (message) => this.#hear(message.rawData));
    this.on("message_ciphertext", (message) => this.#hear(message.rawData));
    this.on("message_ack", ({ rawData }, ack) => this.#takeAck({ ...rawData, ack }));
    this.on("message_reaction", (reaction) => this.#reports.change("messageReaction", reaction));
    this.on("message_edit", ({ rawData }, _, before) => {
      if (isEdit(rawData, String(before ?? ""))) this.#reports.change("messageEdited", rawData);
    });
    this.on("message_revoke_everyone", ({ rawData }) => this.#reports.change("messageRevoked", rawData));
  }

  async #becomeReady(): Promise<void> {
    try {
      this.#reports.ready();
      const sinceS = this.#reportedUntilS;
      const early = await this.#page.evaluate(takeEarlyMessages, sinceS);
      const held = this.#held ?? [];
      this.#held = undefined;
      for (const message of [...early, ...held]) this.#report(message);
      const changes = await this.#page.evaluate(takeEarlyChanges, { sinceS, limit: repeatedMessages });
      for (const [kind, data] of changes) this.#reports.change(kind, data);
      await this.#page.evaluate(sending.watchReceipts);
      for (const [id, ack] of await this.#page.evaluate(sending.ownAcks, repeatedMessages))
        this.#reports.ack({ id, ack });
      if (this.#undecrypted.size === 0) return;
      // Without an answer, the next page is asked for them again.
      const found = await this.#page.evaluate(takeMessages, [...this.#undecrypted]).catch(() => []);
      for (const message of found) this.#report(message);
    } catch (error) {
      // The next document becomes ready on its own.
      if (!isOfGoneDocument(error)) this.#reports.failed(error);
    }
  }

  #take(kind: unknown, value: unknown): void {
    if (kind === "logout") this.#reports.loggedOut();
    else if (kind === "state" && typeof value === "string") this.#reports.state(value);
    else if (typeof value !== "object" || value === null) return;
    else if (kind === "message") this.#hear(value);
    else if (kind === "ack") this.#reports.ack(value as sending.PageAck);
    else if (kind === "refusal" && "id" in value && "error" in value) {
      this.#reports.refusal(String(value.id), String(value.error));
    }
  }

  #takeAck({ id, ack }: { readonly id?: { readonly id?: unknown; readonly fromMe?: unknown }; readonly ack: number }) {
    if (id?.fromMe === true && typeof id.id === "string") this.#reports.ack({ id: id.id, ack });
  }

  #hear(message: object): void {
    if (this.#held) this.#held.push(message);
    else this.#report(message);
  }

  /** Reports a message once, although the library and the search for early messages may both find it. */
  #report(data: object): void {
    const id = pageIdOf(data);
    if (this.#seen.has(id)) return;
    if (isUndecrypted(data)) {
      this.#undecrypted.add(id);
      this.#reports.undecrypted(id);
      return;
    }
    this.#undecrypted.delete(id);
    this.#seen.add(id);
    for (const oldest of this.#seen) {
      if (this.#seen.size <= rememberedMessages) break;
      this.#seen.delete(oldest);
    }
    if ("t" in data && typeof data.t === "number") this.#reportedUntilS = Math.max(this.#reportedUntilS ?? 0, data.t);
    // The DevTools protocol reports its frame only later.
    this.#reports.heard();
    this.#reports.message(data);
  }
}

/** Returns whether a changed text is an edit. The page also changes texts when it decrypts a message, and previews when it loads media. */
const isEdit = (data: object, before: string): boolean =>
  "latestEditMsgKey" in data || ("type" in data && data.type === "chat" && before !== "");

const isOfGoneDocument = (error: unknown): boolean =>
  error instanceof Error && /context was destroyed|Cannot find context|detached Frame/i.test(error.message);
