import type { Me } from "../../../gen/sessiond/v1/session_pb.js";
import type { Engine, EngineOptions, PairingCodes, Screenshots, UnlinkResult } from "../../ports/engine.ts";
import { closedOnRequest, EngineEnd, pairingTimedOut, unlinkedByPhone } from "../engine/close-cause.ts";
import { EngineLife } from "../engine/engine-life.ts";
import { eventOf } from "../engine/message-report.ts";
import { QrRound } from "../engine/qr-round.ts";
import type { Chrome } from "./browser.ts";
import type { PageReports, WebClient } from "./client.ts";
import { closedByError, closedByState, linkLost, notConnected, notLoggedIn } from "./close-cause.ts";
import { startHeartbeat } from "./heartbeat.ts";
import { graceMs, launchChrome, watchBrowser } from "./launch.ts";
import { keyIdOf, pageIdOf } from "./message.ts";
import type { ChangeKind } from "./message-change.ts";
import { WebMessageFiles } from "./message-files.ts";
import { MessageReader } from "./message-reader.ts";
import type { PageStatus } from "./page-script.ts";
import { pairingCodesOf } from "./pairing.ts";
import { Profile } from "./profile.ts";
import { browserProxy } from "./proxy.ts";
import { readyChrome } from "./ready-chrome.ts";
import { screenshotsOf } from "./screenshots.ts";
import { WebSending } from "./sending.ts";
import type { Settings } from "./settings.ts";
import { Undecrypted } from "./undecrypted.ts";
import { unlinkDevice } from "./unlink.ts";

/** A WEBJS engine: WhatsApp Web in a browser of its own. */
export class WwebjsEngine implements Engine {
  readonly pairingCodes: PairingCodes;
  readonly screenshots: Screenshots;
  readonly sending: WebSending;
  readonly messageFiles: WebMessageFiles;
  readonly #settings: Settings;
  readonly #options: EngineOptions;
  readonly #life: EngineLife;
  readonly #round: QrRound;
  readonly #reader: MessageReader;
  readonly #profileKnown = Promise.withResolvers<void>();
  readonly #pageUp = Promise.withResolvers<void>();
  readonly #codeShown = Promise.withResolvers<void>();
  readonly #connected = Promise.withResolvers<void>();
  readonly #loggedIn = Promise.withResolvers<void>();
  /** Resolves when a phone takes the current code. */
  #codeTaken = Promise.withResolvers<void>();
  #stage: "connecting" | "pairing" | "paired" | "open" = "connecting";
  #isHealthy = true;
  /** Resolves when the page has its connection back. */
  #online = Promise.withResolvers<void>();
  #heardAtMs: number | undefined;
  #me: Me | undefined;
  #undecrypted: Undecrypted | undefined;
  #profile: Profile | undefined;
  #chrome: Chrome | undefined;
  #client: WebClient | undefined;

  /** Opens once `before`, the end of the session's last engine, has resolved. */
  constructor(settings: Settings, options: EngineOptions, before: Promise<void>) {
    this.#settings = settings;
    this.#options = options;
    this.#round = new QrRound(settings.qrTimeoutMs);
    this.#reader = new MessageReader(options.credentials, (ids) => this.#otherIds(ids));
    const { clock, pairingCodeTimeoutMs, answerTimeoutMs } = settings;
    this.#life = new EngineLife(
      { clock, logger: options.logger },
      {
        open: () => this.#open(before),
        disconnect: async () => this.#chrome?.close(),
        release: ({ cause }) => this.#release(cause === "logged_out"),
        closedBy: (error) => closedByError(error, options.config.proxy?.server),
      },
    );
    this.pairingCodes = pairingCodesOf(() => this.#pairingPage(), this.#life, pairingCodeTimeoutMs);
    const page = { loaded: this.#pageUp.promise, client: () => this.#client };
    this.screenshots = screenshotsOf(page, this.#life, answerTimeoutMs);
    this.#online.resolve();
    this.sending = new WebSending({
      settings,
      life: this.#life,
      page: () => (this.#stage === "open" && !this.#life.closed ? this.#client : undefined),
      online: () => this.#online.promise,
      namesOf: (chatId) => this.#reader.namesOf(chatId),
    });
    this.messageFiles = new WebMessageFiles({
      find: (name) => this.sending.findInPage(name),
      ask: (question, limitMs) => this.sending.ask(question, limitMs),
    });
    this.#life.start();
  }

  get events() {
    return this.#life.events;
  }

  /** Resolves when nothing of the engine is left. */
  get gone(): Promise<void> {
    return this.#life.gone;
  }

  get lastInboundAtMs(): number | undefined {
    return this.#heardAtMs && this.#settings.clock.wallMsAt(this.#heardAtMs);
  }

  logout(): Promise<UnlinkResult> {
    return this.#life.logOut(this.#unlink(), () => this.#hasLogin || this.#profile?.login.mayExist !== false);
  }

  close(): Promise<void> {
    return this.#life.end(closedOnRequest);
  }

  /** Returns true if the page is known to have a login. */
  get #hasLogin(): boolean {
    return this.#profile?.login.state === "paired" || this.#stage === "paired" || this.#stage === "open";
  }

  async #open(before: Promise<void>): Promise<void> {
    const { session, credentials, config, logger, archive } = this.#options;
    const { profilesDirectory, pageTimeoutMs, loginTimeoutMs } = this.#settings;
    const { signal } = this.#life;
    await before;
    if (signal.aborted) return;
    this.#profile = await Profile.open(profilesDirectory, session, credentials, archive);
    this.#profileKnown.resolve();
    if (this.#profile.login.state === "unlinked") throw new EngineEnd(unlinkedByPhone);
    const proxy = config.proxy && browserProxy(config.proxy);
    const found = await readyChrome(this.#settings, logger);
    const { WebClient } = await import("./client.ts");
    if (signal.aborted) return;
    const launch = { profile: this.#profile, found, proxyArgs: proxy?.args ?? [] };
    this.#chrome = await launchChrome(this.#settings, launch, this.#life);
    if (signal.aborted) return;
    await watchBrowser(this.#chrome, (closed) => void this.#life.end(closed));
    if (signal.aborted) return;
    this.#setPageDeadline();
    const { client } = this.#options.config;
    const deviceName = client?.deviceName || this.#settings.deviceName;
    const browserName = client?.browserName || this.#settings.browserName;
    // The messages of a page that was just linked are its account's history.
    const reportedUntilMs = this.#profile.login.state === "paired" ? this.#options.reportedUntilMs : undefined;
    this.#undecrypted = await Undecrypted.open(credentials);
    const earlier = { reportedUntilMs, undecrypted: this.#undecrypted.ids };
    const options = { proxyLogin: proxy?.login, deviceName, browserName, pageTimeoutMs, ...earlier };
    this.#client = await WebClient.attach(this.#chrome.browser, options, this.#reports());
    await this.#client.enter();
    if (this.#stage === "connecting") this.#life.setDeadline(loginTimeoutMs, () => notLoggedIn);
    startHeartbeat(this.#life, this.#settings, this.#client, (status) => this.#compare(status));
  }

  #setPageDeadline(): void {
    this.#life.setDeadline(this.#settings.pageTimeoutMs + graceMs, () => notConnected);
  }

  async #release(isLoggedOut: boolean): Promise<void> {
    await this.#profile?.tidy();
    if (isLoggedOut && this.#profile?.login.state === "paired") await this.#profile.retire();
  }

  #reports(): PageReports {
    return {
      loaded: () => {
        this.#pageUp.resolve();
        // From here on the library has the same time to find WhatsApp Web in the page; its error tells more.
        this.#setPageDeadline();
      },
      heard: () => {
        this.#heardAtMs = this.#settings.clock.nowMs();
      },
      qr: (value) => this.#showQr(value),
      state: (state) => this.#enterState(state),
      ready: () => this.#life.enqueue(() => this.#becomeReady()),
      message: (data) => this.#life.enqueue(() => this.#reportMessage(data)),
      ack: (ack) => this.sending.acknowledge(ack),
      refusal: (id, error) => this.sending.takeError(id, error),
      change: (kind, data) => this.#life.enqueue(() => this.#reportChange(kind, data)),
      undecrypted: (id) => this.#life.enqueue(() => this.#undecrypted?.add(id)),
      loggedOut: () => this.#leaveLogin(),
      failed: (error) => this.#life.fail(error),
    };
  }

  /** Returns the page that waits for a phone, if there is one. */
  #pairingPage(): WebClient | undefined {
    return this.#stage === "pairing" && !this.#life.closed ? this.#client : undefined;
  }

  #showQr(value: string): void {
    // A page that has lost its login shows a code like a new one.
    if (this.#profile?.login.state === "paired") return void this.#life.end(unlinkedByPhone);
    if (this.#stage === "paired" || this.#life.closed) return;
    const code = this.#round.next(value, this.#settings.clock.nowMs());
    if (code === "over") return void this.#life.end(pairingTimedOut);
    if (!code) return;
    this.#stage = "pairing";
    this.#codeTaken = Promise.withResolvers();
    this.#codeShown.resolve();
    this.#life.setDeadline(code.limitMs, () => pairingTimedOut);
    this.#life.enqueue(async () => {
      await this.#profile?.login.setUnpaired();
      this.#life.report(code.event);
    });
  }

  /** Asks a page that shows no more codes by itself for the rest of the round. */
  #refreshCodes(): void {
    if (!this.#round.takeRefresh()) return void this.#life.end(pairingTimedOut);
    this.#client?.refreshQr().catch((error: unknown) => this.#life.fail(error));
  }

  #enterState(state: string): void {
    const isUnpaired = state === "UNPAIRED" || state === "UNPAIRED_IDLE";
    const closed = closedByState(state);
    if (closed && (this.#hasLogin || !isUnpaired)) void this.#life.end(closed);
    else if (state === "UNPAIRED_IDLE") this.#refreshCodes();
    else if (state === "CONNECTED" && this.#stage === "connecting") this.#connected.resolve();
    else if (state === "CONNECTED" && this.#stage === "pairing") this.#takeLogin();
    else if (this.#stage === "pairing" && !isUnpaired) this.#takeCode();
    else if (this.#stage === "open") this.#reportHealth(state === "CONNECTED");
  }

  /** Reports a change of the connection. The page reconnects by itself; the engine gives up if that takes too long. */
  #reportHealth(healthy: boolean): void {
    if (healthy === this.#isHealthy) return;
    this.#isHealthy = healthy;
    if (healthy) this.#online.resolve();
    else this.#online = Promise.withResolvers();
    if (healthy) this.#life.clearDeadline();
    else this.#life.setDeadline(this.#settings.reconnectTimeoutMs, () => linkLost);
    this.#life.enqueueReport({ type: "health", healthy });
  }

  /** Ends the engine if the page had a login. A page without one also clears itself, which means nothing. */
  #leaveLogin(): void {
    if (this.#profile?.login.state === "paired" || this.#stage === "paired") void this.#life.end(unlinkedByPhone);
  }

  /** A phone has taken the code. From here on the profile may hold a login. */
  #takeCode(): void {
    this.#life.setDeadline(this.#settings.loginTimeoutMs, () => notLoggedIn);
    this.#codeTaken.resolve();
    this.#life.enqueue(() => this.#profile?.login.setLinking());
  }

  /** The phone has linked the device. */
  #takeLogin(): void {
    this.#stage = "paired";
    this.#codeTaken.resolve();
    this.#connected.resolve();
    this.#life.setDeadline(this.#settings.loginTimeoutMs, () => notLoggedIn);
    this.#life.enqueue(async () => this.#recordLogin(await this.#readAccount()));
  }

  async #recordLogin(me: Me | undefined): Promise<void> {
    if (!me || !this.#profile || this.#profile.login.state === "paired") return;
    await this.#profile.login.setPaired();
    this.#life.report({ type: "paired", me });
  }

  async #becomeReady(): Promise<void> {
    // The library reports this again when the page has reconnected and synchronised.
    if (this.#stage === "open" || this.#life.closed) return;
    const me = await this.#readAccount();
    if (!me)
      throw new EngineEnd({ cause: "engine_crashed", message: "WhatsApp Web does not tell whose account it is" });
    await this.#recordLogin(me);
    this.#stage = "open";
    this.#life.clearDeadline();
    this.#me = me;
    this.#life.report({ type: "opened", me });
    for (const data of this.#reader.takeHeld()) await this.#reportMessage(data);
    this.#connected.resolve();
    this.#loggedIn.resolve();
  }

  async #reportMessage(data: object): Promise<void> {
    // Messages must not come before `opened`.
    if (!this.#me) return this.#reader.hold(data);
    const message = await this.#reader.read(data);
    const forget = () => this.#undecrypted?.remove(pageIdOf(data));
    if (!message || (message.fromMe && (await this.#isOutgoing(data)))) await forget();
    else this.#life.report({ type: "message", message }, () => this.#life.enqueue(forget));
  }

  async #reportChange(kind: ChangeKind, data: object): Promise<void> {
    if (!this.#me || (kind === "messageReaction" && (await this.#isOutgoing(data)))) return;
    const report = await this.#reader.readChange(kind, data);
    if (report) this.#life.report(eventOf(report));
  }

  /** Returns whether this server has sent a message, which is announced where it was accepted. */
  async #isOutgoing(data: object): Promise<boolean> {
    return (await this.#options.isOutgoing?.(keyIdOf(data))) ?? false;
  }

  async #otherIds(ids: readonly string[]): Promise<readonly (string | null)[]> {
    const asked = this.#client?.otherIds(ids).catch(() => []);
    return (asked && (await this.#life.within(this.#settings.answerTimeoutMs, asked))) ?? [];
  }

  async #readAccount(): Promise<Me | undefined> {
    const account = (await this.#client?.status())?.account;
    return account && this.#reader.setAccount(account);
  }

  /** Compares the page's status with the one known; the page does not report a changed name. */
  #compare({ state, account }: PageStatus): void {
    if (this.#stage !== "open") return;
    this.#enterState(state);
    if (!account || !this.#me || account.pushName === this.#me.pushName) return;
    this.#me = { ...this.#me, pushName: account.pushName };
    this.#life.report({ type: "me_changed", me: this.#me });
  }

  async #unlink(): Promise<boolean> {
    await this.#profileKnown.promise;
    if (!(await this.#mayBeLinked())) return false;
    await this.#pageUp.promise;
    if (!this.#client) return false;
    const [connected, loggedIn] = [this.#connected.promise, this.#loggedIn.promise];
    try {
      await unlinkDevice({ client: this.#client, connected, loggedIn });
      return true;
    } catch {
      // The page may leave before it answers. It then reports the logout, which ends the engine.
      await this.#life.within(this.#settings.logoutTimeoutMs, this.#life.ending);
      return false;
    }
  }

  /** Returns whether a phone may have linked the page, which learns of that a moment after the phone. */
  async #mayBeLinked(): Promise<boolean> {
    if (this.#hasLogin) return true;
    if (this.#profile?.login.mayExist) await Promise.race([this.#connected.promise, this.#codeShown.promise]);
    if (this.#stage !== "pairing") return this.#profile?.login.mayExist ?? false;
    // Everything that the page has reported before its answer has arrived then.
    const answer = this.#client?.status().catch(() => {}) ?? this.#life.ending;
    await this.#life.within(this.#settings.answerTimeoutMs, answer);
    const taken = this.#codeTaken.promise.then(() => true);
    return (await this.#life.within(this.#settings.scanGraceMs, taken)) ?? false;
  }
}
