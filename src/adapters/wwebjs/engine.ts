import type { Me } from "../../../gen/sessiond/v1/session_pb.js";
import {
  type Engine,
  type EngineEvent,
  type EngineOptions,
  PairingCodeRefused,
  type UnlinkResult,
} from "../../ports/engine.ts";
import { LeaseLost } from "../../ports/sessions.ts";
import type { Chrome } from "./browser.ts";
import type { PageReports, WebClient } from "./client.ts";
import {
  type Closed,
  closedByError,
  closedByState,
  closedOnRequest,
  EngineEnd,
  late,
  launchedLate,
  linkLost,
  noPhoneCame,
  notLoggedIn,
  textOf,
  unlinkedByPhone,
} from "./close-cause.ts";
import { graceMs, launchChrome, watchBrowser } from "./launch.ts";
import { MessageReader } from "./message-reader.ts";
import type { PageStatus } from "./page-script.ts";
import { Profile } from "./profile.ts";
import { browserProxy } from "./proxy.ts";
import { QrRound } from "./qr-round.ts";
import { readyChrome } from "./ready-chrome.ts";
import type { Settings } from "./settings.ts";
import { unlinkDevice } from "./unlink.ts";

/** The life of one browser. Whatever ends it goes through `#end`, and the first reason counts. */
export class WwebjsEngine implements Engine {
  readonly events: AsyncIterable<EngineEvent>;
  /** Resolves when nothing of the engine is left. */
  readonly gone: Promise<void>;
  readonly #settings: Settings;
  readonly #options: EngineOptions;
  readonly #opening: Promise<void>;
  readonly #profileKnown = Promise.withResolvers<void>();
  readonly #codeShown = Promise.withResolvers<void>();
  /** A phone has taken the code that is shown. */
  #taken = Promise.withResolvers<void>();
  readonly #connected = Promise.withResolvers<void>();
  readonly #loggedIn = Promise.withResolvers<void>();
  readonly #ending = Promise.withResolvers<undefined>();
  readonly #gone = Promise.withResolvers<void>();
  readonly #pageUp = Promise.withResolvers<void>();
  readonly #abort = new AbortController();
  #controller: ReadableStreamDefaultController<EngineEvent> | undefined;
  #stage: "connecting" | "pairing" | "paired" | "open" = "connecting";
  #profile: Profile | undefined;
  #chrome: Chrome | undefined;
  #client: WebClient | undefined;
  #me: Me | undefined;
  readonly #reader: MessageReader;
  readonly #round: QrRound;
  #heardAtMs: number | undefined;
  /** Messages that came before it was known whose account it is. */
  readonly #early: object[] = [];
  /** What must come one after another: `paired` waits for the disk, and what follows waits for `paired`. */
  #order: Promise<void> = Promise.resolve();
  #cancelDeadline = () => {};
  #cancelHeartbeat = () => {};
  #closed: Closed | undefined;
  #isOver = false;
  #healthy = true;
  #ended: Promise<void> | undefined;

  /** Begins when `before`, the end of the session's last engine, has come. */
  constructor(settings: Settings, options: EngineOptions, before: Promise<void>) {
    this.#settings = settings;
    this.#options = options;
    this.#round = new QrRound(settings.qrTimeoutMs);
    this.#reader = new MessageReader(options.credentials, (ids) => this.#otherIds(ids));
    this.gone = this.#gone.promise;
    const start = (controller: ReadableStreamDefaultController<EngineEvent>) => {
      this.#controller = controller;
    };
    this.events = new ReadableStream<EngineEvent>({ start });
    this.#opening = this.#open(before).catch((error) => this.#fail(error));
  }

  get lastInboundAtMs(): number | undefined {
    return this.#heardAtMs && this.#settings.clock.wallMsAt(this.#heardAtMs);
  }

  async requestPairingCode(phoneNumber: string): Promise<string> {
    if (!this.#client || this.#stage !== "pairing" || this.#closed) {
      throw new PairingCodeRefused("The session does not wait for a phone");
    }
    const { pairingCodeTimeoutMs } = this.#settings;
    const asked = this.#client.pairingCode(phoneNumber).catch((error: unknown) => {
      throw new PairingCodeRefused(`WhatsApp gave no pairing code: ${textOf(error)}`);
    });
    const code = await this.#within(pairingCodeTimeoutMs, asked);
    if (!code) throw new PairingCodeRefused("WhatsApp did not answer the request for a pairing code in time");
    return code;
  }

  async logout(): Promise<UnlinkResult> {
    const result = await Promise.race([this.#unlink(), this.#ending.promise]);
    await this.#end(
      result === "unlinked" ? { cause: "logged_out", message: "The device was unlinked" } : closedOnRequest,
    );
    if (this.#closed?.cause === "logged_out") return "unlinked";
    const isUnpaired = this.#profile?.mayHoldLogin === false && this.#stage !== "paired" && this.#stage !== "open";
    return result ?? (isUnpaired ? "not_linked" : "unknown");
  }

  async screenshot(): Promise<Uint8Array> {
    const { answerTimeoutMs } = this.#settings;
    await this.#within(answerTimeoutMs, this.#pageUp.promise);
    const picture = this.#client && (await this.#within(answerTimeoutMs, this.#client.picture()));
    if (!picture) throw new Error("the page is not there, or does not answer");
    return picture;
  }

  close(): Promise<void> {
    return this.#end(closedOnRequest);
  }

  async #open(before: Promise<void>): Promise<void> {
    const { session, credentials, config, logger } = this.#options;
    const { profilesDirectory, pageTimeoutMs, loginTimeoutMs } = this.#settings;
    await before;
    if (this.#closed) return;
    this.#profile = await Profile.open(profilesDirectory, session, credentials);
    this.#profileKnown.resolve();
    if (this.#profile.state === "unlinked") throw new EngineEnd(unlinkedByPhone);
    const proxy = config.proxy && browserProxy(config.proxy);
    const found = await readyChrome(this.#settings, logger);
    const { WebClient } = await import("./client.ts");
    if (this.#closed) return;
    const endTurn = await this.#settings.launches.take(this.#abort.signal);
    this.#setDeadline(this.#settings.launchTimeoutMs + graceMs, launchedLate);
    const launch = { profile: this.#profile, found, proxyArgs: proxy?.args ?? [], signal: this.#abort.signal };
    this.#chrome = await launchChrome(this.#settings, launch).finally(endTurn);
    await watchBrowser(this.#chrome, (closed) => void this.#end(closed));
    if (this.#closed) return;
    this.#setDeadline(pageTimeoutMs + graceMs, late("WhatsApp Web did not connect"));
    const { deviceName, browserName } = this.#settings;
    // What a page has that was just linked is its account's history.
    const reportedUntilMs = this.#profile.state === "paired" ? this.#options.reportedUntilMs : undefined;
    const options = { proxyLogin: proxy?.login, deviceName, browserName, pageTimeoutMs, reportedUntilMs };
    this.#client = await WebClient.attach(this.#chrome.browser, options, this.#reports());
    await this.#client.enter();
    if (this.#stage === "connecting") this.#setDeadline(loginTimeoutMs, notLoggedIn);
    this.#beat(this.#client);
  }

  #reports(): PageReports {
    return {
      loaded: () => this.#pageUp.resolve(),
      heard: () => {
        this.#heardAtMs = this.#settings.clock.nowMs();
      },
      qr: (value) => this.#showQr(value),
      state: (state) => this.#enterState(state),
      ready: () => this.#next(() => this.#becomeReady()),
      message: (data) => this.#takeMessage(data),
      loggedOut: () => this.#leaveLogin(),
      failed: (error) => this.#fail(error),
    };
  }

  #showQr(value: string): void {
    // A page that has lost its login shows a code, as if there had never been one.
    if (this.#profile?.state === "paired") return void this.#end(unlinkedByPhone);
    if (this.#stage === "paired" || this.#closed) return;
    const code = this.#round.next(value, this.#settings.clock.nowMs());
    if (code === "over") return void this.#end(noPhoneCame);
    if (!code) return;
    this.#stage = "pairing";
    this.#taken = Promise.withResolvers();
    this.#codeShown.resolve();
    this.#setDeadline(code.limitMs, noPhoneCame);
    this.#next(async () => {
      await this.#profile?.setUnpaired();
      this.#push(code.event);
    });
  }

  /** The page offers no more codes by itself. */
  #idle(): void {
    if (!this.#round.asksForMore()) return void this.#end(noPhoneCame);
    this.#client?.refreshQr().catch((error: unknown) => this.#fail(error));
  }

  #enterState(state: string): void {
    const isLogin = this.#profile?.state === "paired" || this.#stage === "paired" || this.#stage === "open";
    const isUnpaired = state === "UNPAIRED" || state === "UNPAIRED_IDLE";
    const closed = closedByState(state);
    if (closed && (isLogin || !isUnpaired)) void this.#end(closed);
    else if (state === "UNPAIRED_IDLE") this.#idle();
    else if (state === "CONNECTED" && this.#stage === "connecting") this.#connected.resolve();
    else if (state === "CONNECTED" && this.#stage === "pairing") this.#takeLogin();
    else if (this.#stage === "pairing" && !isUnpaired) this.#takeCode();
    else if (this.#stage === "open") this.#followLink(state === "CONNECTED");
  }

  /** The page mends its connection itself; only when that takes too long is it given up. */
  #followLink(healthy: boolean): void {
    if (healthy === this.#healthy) return;
    this.#healthy = healthy;
    if (healthy) this.#cancelDeadline();
    else this.#setDeadline(this.#settings.reconnectTimeoutMs, linkLost);
    this.#next(() => this.#push({ type: "health", healthy }));
  }

  /** A page without a login can clear itself, too; that says nothing. */
  #leaveLogin(): void {
    if (this.#profile?.state === "paired" || this.#stage === "paired") void this.#end(unlinkedByPhone);
  }

  /** A phone has taken the code. Whatever happens from here on, the profile may hold a login. */
  #takeCode(): void {
    this.#setDeadline(this.#settings.loginTimeoutMs, notLoggedIn);
    this.#taken.resolve();
    this.#next(() => this.#profile?.setLinking());
  }

  /** The phone has linked the device. */
  #takeLogin(): void {
    this.#stage = "paired";
    this.#taken.resolve();
    this.#connected.resolve();
    this.#setDeadline(this.#settings.loginTimeoutMs, notLoggedIn);
    this.#next(async () => this.#recordLogin(await this.#account()));
  }

  async #recordLogin(me: Me | undefined): Promise<void> {
    if (!me || !this.#profile || this.#profile.state === "paired") return;
    await this.#profile.setPaired();
    this.#push({ type: "paired", me });
  }

  async #becomeReady(): Promise<void> {
    // The page synchronises again after a loss of its connection, and the library says so each time.
    if (this.#stage === "open" || this.#closed) return;
    const me = await this.#account();
    if (!me)
      throw new EngineEnd({ cause: "engine_crashed", message: "WhatsApp Web does not tell whose account it is" });
    await this.#recordLogin(me);
    this.#stage = "open";
    this.#cancelDeadline();
    this.#me = me;
    this.#push({ type: "opened", me });
    for (const data of this.#early.splice(0)) await this.#pushMessage(data);
    this.#connected.resolve();
    this.#loggedIn.resolve();
  }

  #takeMessage(data: object): void {
    this.#next(async () => {
      if (this.#me) await this.#pushMessage(data);
      else this.#early.push(data);
    });
  }

  async #pushMessage(data: object): Promise<void> {
    const message = await this.#reader.read(data);
    if (message) this.#push({ type: "message", message });
  }

  async #otherIds(ids: readonly string[]): Promise<readonly (string | null)[]> {
    const asked = this.#client?.otherIds(ids).catch(() => []);
    return (asked && (await this.#within(this.#settings.answerTimeoutMs, asked))) ?? [];
  }

  async #account(): Promise<Me | undefined> {
    const account = (await this.#client?.status())?.account;
    return account && this.#reader.setAccount(account);
  }

  /** A page that hangs says nothing of it; a changed name comes without a word, too. */
  #beat(client: WebClient): void {
    const { clock, heartbeatIntervalMs, answerTimeoutMs } = this.#settings;
    this.#cancelHeartbeat = clock.schedule(heartbeatIntervalMs, () => {
      this.#next(async () => {
        // Between two documents there is nobody to answer; that is no answer that fails to come.
        const answer = await this.#within(
          answerTimeoutMs,
          client.status().catch(() => "none" as const),
        );
        if (this.#closed) return;
        if (!answer) throw new EngineEnd({ cause: "engine_crashed", message: "The page does not answer" });
        if (answer !== "none") this.#compare(answer);
        this.#beat(client);
      });
    });
    if (this.#closed) this.#cancelHeartbeat();
  }

  #compare({ state, account }: PageStatus): void {
    if (this.#stage !== "open") return;
    this.#enterState(state);
    if (!account || !this.#me || account.pushName === this.#me.pushName) return;
    this.#me = { ...this.#me, pushName: account.pushName };
    this.#push({ type: "me_changed", me: this.#me });
  }

  async #unlink(): Promise<UnlinkResult> {
    await this.#profileKnown.promise;
    if (!(await this.#mayBeLinked())) return "not_linked";
    await this.#pageUp.promise;
    if (!this.#client) return "unknown";
    const [connected, loggedIn] = [this.#connected.promise, this.#loggedIn.promise];
    try {
      await unlinkDevice({ client: this.#client, connected, loggedIn });
      return "unlinked";
    } catch {
      // The page may leave before it answers; then it reports the logout, which is the same.
      await this.#within(this.#settings.logoutTimeoutMs, this.#ending.promise);
      return "unknown";
    }
  }

  /** Whether a phone may have linked the page: it learns of that a moment after the phone. */
  async #mayBeLinked(): Promise<boolean> {
    if (this.#profile?.state === "paired" || this.#stage === "paired" || this.#stage === "open") return true;
    if (this.#profile?.mayHoldLogin) await Promise.race([this.#connected.promise, this.#codeShown.promise]);
    if (this.#stage !== "pairing") return this.#profile?.mayHoldLogin ?? false;
    // What the page has reported before it answers is here then.
    await this.#within(this.#settings.answerTimeoutMs, this.#client?.status().catch(() => {}) ?? this.#ending.promise);
    const taken = this.#taken.promise.then(() => true);
    return (await this.#within(this.#settings.scanGraceMs, taken)) ?? false;
  }

  /** What the work comes to, or undefined if the time is up or the engine ends before. */
  async #within<T>(limitMs: number, work: Promise<T>): Promise<T | undefined> {
    const timeUp = Promise.withResolvers<undefined>();
    const cancel = this.#settings.clock.schedule(limitMs, () => timeUp.resolve(undefined));
    try {
      return await Promise.race([work, this.#ending.promise, timeUp.promise]);
    } finally {
      cancel();
    }
  }

  #next(work: () => void | Promise<void>): void {
    this.#order = this.#order.then(work).catch((error) => this.#fail(error));
  }

  #push(event: EngineEvent): void {
    if (!this.#isOver) this.#controller?.enqueue(event);
  }

  #setDeadline(delayMs: number, closed: Closed): void {
    this.#cancelDeadline();
    this.#cancelDeadline = this.#settings.clock.schedule(delayMs, () => void this.#end(closed));
    if (this.#closed) this.#cancelDeadline();
  }

  /** The engine cannot go on. */
  #fail(error: unknown): void {
    const closed = closedByError(error, this.#options.config.proxy?.server);
    if (error instanceof LeaseLost) this.#options.logger.debug({}, "a newer engine has the session's data");
    else if (!this.#closed && closed.cause === "engine_crashed") {
      this.#options.logger.error({ error: textOf(error) }, "engine failed");
    }
    void this.#end(closed);
  }

  #end(closed: Closed): Promise<void> {
    this.#closed ??= closed;
    this.#ending.resolve(undefined);
    this.#ended ??= this.#tearDown(this.#closed);
    return this.#ended;
  }

  async #tearDown(closed: Closed): Promise<void> {
    this.#cancelDeadline();
    this.#cancelHeartbeat();
    this.#abort.abort();
    try {
      await this.#chrome?.close();
      await this.#opening;
      // It may have been on its way.
      await this.#chrome?.close();
      await this.#order;
      await this.#profile?.tidy();
      if (closed.cause === "logged_out" && this.#profile?.state === "paired") await this.#profile.retire();
    } catch (error) {
      if (!(error instanceof LeaseLost)) {
        this.#options.logger.error({ error: textOf(error) }, "engine did not close cleanly");
      }
    }
    this.#push({ type: "closed", ...closed });
    this.#isOver = true;
    this.#controller?.close();
    this.#gone.resolve();
  }
}
