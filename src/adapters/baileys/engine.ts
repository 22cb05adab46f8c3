import type { IncomingMessage } from "node:http";
import type { AuthenticationCreds, BaileysEventMap, BinaryNode, WAMessage, WASocket } from "@whiskeysockets/baileys";
import type { Me } from "../../../gen/sessiond/v1/session_pb.js";
import { isSameAccount } from "../../domain/account.ts";
import type { Engine, EngineOptions, PairingCodes, UnlinkResult } from "../../ports/engine.ts";
import type { AckReport } from "../../ports/sending.ts";
import { closedByKnownError, closedOnRequest, crashed } from "../engine/close-cause.ts";
import { EngineLife } from "../engine/engine-life.ts";
import { errorFields } from "../engine/error-fields.ts";
import { eventOf } from "../engine/message-report.ts";
import type { People } from "../engine/people.ts";
import { QrRound } from "../engine/qr-round.ts";
import { AckReports, receiptsIn, withNumber } from "./acks.ts";
import { AuthStore } from "./auth-state.ts";
import { ChatRecorder } from "./chat-store.ts";
import { hangUp, onDecryption, onMessages, openSocket, ping } from "./client.ts";
import { closedBy, ends, upgradeRefusedBy } from "./close-cause.ts";
import type { Connection } from "./connection.ts";
import { FrameGate } from "./frame-gate.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Inbox, type StoredMessage } from "./inbox.ts";
import type { MediaRoute } from "./media-host.ts";
import { accountOf } from "./message.ts";
import { BaileysMessageFiles } from "./message-files.ts";
import { followNames, peopleOf } from "./names.ts";
import { honourShownSecret, pairingCodesOf } from "./pairing.ts";
import { uploadFirstPreKeys } from "./pre-keys.ts";
import { ReceivedFiles } from "./received-files.ts";
import { RecentMessages } from "./recent-messages.ts";
import { Route } from "./route.ts";
import { BaileysSending } from "./sending.ts";
import { SentMessages } from "./sent-messages.ts";
import type { Settings } from "./settings.ts";
import { meOf, refsIn, reportsIn } from "./translate.ts";
import { unlinkDevice } from "./unlink.ts";
import { catchListenerErrors } from "./web-socket.ts";

/** Number of committed messages after which the inbox is written, even if it is not empty. Less than a session remembers of its messages. */
const inboxWriteInterval = 20;
/** Time from the login to the question for limits that were known before. */
const limitsDelayMs = 30_000;

/** A NOWEB engine: one socket of Baileys. */
export class BaileysEngine implements Engine {
  readonly pairingCodes: PairingCodes;
  readonly sending: BaileysSending;
  readonly messageFiles: BaileysMessageFiles;
  readonly #settings: Settings;
  readonly #options: EngineOptions;
  readonly #version: string;
  readonly #life: EngineLife;
  readonly #acks: AckReports;
  readonly #recent: RecentMessages;
  readonly #sent: SentMessages;
  readonly #round: QrRound;
  readonly #loggedIn = Promise.withResolvers<void>();
  readonly #socketClosed = Promise.withResolvers<void>();
  readonly #closeWanted = Promise.withResolvers<void>();
  #stage: "connecting" | "pairing" | "paired" | "open" = "connecting";
  #isUnlinking = false;
  #me: Me | undefined;
  #auth: AuthStore | undefined;
  #inbox = new Inbox(0, 0);
  #route = new Route();
  #socket: WASocket | undefined;
  #heartbeat: Heartbeat | undefined;
  #chats: ChatRecorder | undefined;
  #people: People | undefined;
  #received: ReceivedFiles | undefined;

  constructor(settings: Settings, options: EngineOptions) {
    this.#settings = settings;
    this.#options = options;
    this.#version = settings.versions.current;
    this.#round = new QrRound(settings.qrTimeoutMs);
    this.pairingCodes = pairingCodesOf(() => this.#pairingSocket(), settings.pairingCodeTimeoutMs);
    const { clock } = settings;
    this.#life = new EngineLife(
      { clock, logger: options.logger },
      {
        open: () => this.#open(),
        disconnect: () => this.#disconnect(),
        release: () => this.#release(),
        closedBy: (error) => closedByKnownError(error) ?? crashed,
      },
    );
    this.#acks = new AckReports(this.#life);
    this.#recent = new RecentMessages(clock);
    this.#sent = new SentMessages(options.sentMessage);
    const parts = {
      clock,
      signal: this.#life.signal,
      sent: this.#sent,
      mediaRoute: () => this.#mediaRoute(),
      limitsChanged: () => this.#reportMe(),
      connection: () => this.#connection(),
    };
    const { previews } = settings;
    this.sending = new BaileysSending({ ...parts, previews, logger: options.logger, recent: this.#recent });
    this.messageFiles = new BaileysMessageFiles({
      ...parts,
      received: () => this.#received,
      remember: (message) => this.#auth?.defer(this.#received?.moved(message) ?? new Map(), true),
    });
    this.#life.start();
  }

  get events() {
    return this.#life.events;
  }

  get lastInboundAtMs(): number | undefined {
    return this.#heartbeat && this.#settings.clock.wallMsAt(this.#heartbeat.heardAtMs);
  }

  logout(): Promise<UnlinkResult> {
    // The caller may be the reader of the events, so nothing may wait for the inbox; its messages no longer matter.
    this.#isUnlinking = true;
    this.#inbox.giveUp();
    this.#acks.giveUp();
    this.#closeWanted.resolve();
    return this.#life.logOut(this.#unlink(), () => !this.#auth || this.#auth.state.creds.account !== undefined);
  }

  close(): Promise<void> {
    this.#closeWanted.resolve();
    return this.#life.end(closedOnRequest);
  }

  async #open(): Promise<void> {
    const { config, credentials, chats, logger } = this.#options;
    this.#auth = await AuthStore.open(credentials, this.#settings.clock, (error) => this.#life.fail(error));
    const { inbox, left } = await Inbox.open(credentials);
    this.#inbox = inbox;
    this.#received = await ReceivedFiles.open(credentials);
    if (this.#isUnlinking) inbox.giveUp();
    const people = peopleOf(this.#auth);
    this.#people = people;
    for (const stored of await people.complete(left)) this.#reportMessage(stored);
    this.#route = await Route.open(config.proxy);
    if (this.#life.closed) return;
    if (config.noweb?.store?.enabled) this.#chats = new ChatRecorder(chats, this.#settings.clock, logger);
    this.#sent.chats = this.#chats;
    this.#socket = openSocket(this.#settings, {
      auth: this.#auth,
      config,
      logger,
      version: this.#version,
      route: this.#route,
      findMessage: (key) => this.#sent.forRecipient(key, people),
    });
    this.#listen(this.#socket, this.#auth, people);
    this.#life.setDeadline(this.#settings.connectTimeoutMs, () => ({
      cause: "unreachable",
      message: this.#route.timeout(),
    }));
  }

  #listen(socket: WASocket, auth: AuthStore, people: People): void {
    const { ws, ev } = socket;
    const warn = (error: unknown) => this.#options.logger.warn(errorFields(error), "a stanza could not be handled");
    auth.takeRatchets(socket.authState.keys, () => this.#life.closed !== undefined || !ws.isOpen);
    honourShownSecret(socket);
    uploadFirstPreKeys(socket, warn);
    ws.prependListener("CB:iq,type:set,pair-device", (stanza: BinaryNode) => this.#round.expect(refsIn(stanza)));
    onDecryption(
      socket,
      () => auth.expectMessage(),
      () => auth.expectNoMessage(),
    );
    this.#followAcks(ws, auth, people);
    onMessages(socket, (messages) => this.#takeMessages(messages, auth, people));
    followNames(socket, auth, people, this.#settings.clock);
    ws.on("open", () => {
      this.#life.setDeadline(this.#settings.connectTimeoutMs, () => ends.noHandshake);
      this.#heartbeat = this.#startHeartbeat(socket, gate);
    });
    ws.on("frame", () => this.#heartbeat?.heard());
    ws.once("frame", () => this.#life.setDeadline(this.#settings.loginTimeoutMs, () => ends.noLogin));
    // Baileys listens too, but only passes the event on; because it listens, `ws` does not close the connection itself.
    ws.on("unexpected-response", (_request: unknown, response: IncomingMessage) => {
      void this.#life.end(upgradeRefusedBy(response.statusCode ?? 0));
    });
    catchListenerErrors(ws, (error, isVital) => (isVital ? this.#lose(error) : warn(error)));
    const gate = new FrameGate(ws, {
      allWritten: () => this.#beforeSending(auth),
      standing: this.#options.standing,
      isShut: () => this.#life.closed !== undefined,
      onHeard: () => this.#heartbeat?.heard(),
      onLost: (error) => this.#life.fail(error),
    });
    ev.process((events) => {
      try {
        this.#handle(events, socket, auth);
      } catch (error) {
        this.#life.fail(error);
      }
    });
  }

  #handle(events: Partial<BaileysEventMap>, socket: WASocket, auth: AuthStore): void {
    const { creds } = auth.state;
    if (events["creds.update"]) auth.credsChanged();
    const update = events["connection.update"];
    if (update?.qr) this.#showQr(update.qr);
    if (update?.isNewLogin) this.#reportPaired(auth);
    if (update?.connection === "open") this.#reportOpened(creds);
    if (update?.connection === "close") {
      // Baileys has acknowledged the events that it still buffers; without the flush they would be lost.
      socket.ev.flush();
      this.#socketClosed.resolve();
      this.#lose(update.lastDisconnect?.error);
    }
    this.#chats?.record(events);
    if (update?.reachoutTimeLock) this.sending.limits.heardTimelock(update.reachoutTimeLock);
    const capping = events["message-capping.update"];
    if (capping) this.sending.limits.heardCapping(capping);
    this.#reportMe();
  }

  /** Reports the account if something about it is new. */
  #reportMe(): void {
    const creds = this.#auth?.state.creds;
    const me = creds && this.sending.limits.completed(meOf(creds));
    if (this.#stage !== "open" || !me || isSameAccount(me, this.#me)) return;
    this.#me = me;
    this.#life.enqueueReport({ type: "me_changed", me });
  }

  /** Returns the socket that waits for a phone, if there is one. */
  #pairingSocket() {
    const [socket, auth] = [this.#socket, this.#auth];
    if (!socket || !auth || this.#stage !== "pairing" || this.#life.closed) return undefined;
    return { socket, credsChanged: () => auth.credsChanged() };
  }

  /** Returns the connection, if it is logged in. */
  #connection(): Connection | undefined {
    const [socket, people, me] = [this.#socket, this.#people, this.#auth?.state.creds.me];
    if (!socket?.ws.isOpen || !people || !me || this.#stage !== "open" || this.#life.closed) return undefined;
    return { socket, people, me: accountOf(me) };
  }

  #mediaRoute(): MediaRoute {
    const isEmulated = this.#settings.waWebSocketUrl?.startsWith("ws:") ?? false;
    return { agent: this.#route.proxy?.agent, isEmulated };
  }

  #showQr(value: string): void {
    if (this.#stage === "connecting") this.#stage = "pairing";
    // Baileys itself closes the socket at the end of the round.
    this.#life.clearDeadline();
    const code = this.#round.next(value, this.#settings.clock.nowMs());
    if (typeof code === "object") this.#life.enqueueReport(code.event);
  }

  #reportPaired(auth: AuthStore): void {
    this.#stage = "paired";
    this.#life.setDeadline(this.#settings.loginTimeoutMs, () => ends.noRestart);
    const me = meOf(auth.state.creds);
    this.#life.enqueue(async () => {
      await auth.flush();
      if (me) this.#life.report({ type: "paired", me });
    });
  }

  /** Asks for WhatsApp's limits: at once for a new login, of which none are known; for others, once many of them may have started. */
  #askForLimits(): void {
    const { limits } = this.sending;
    if (this.#options.reportedUntilMs === undefined) {
      void limits.refresh();
      return;
    }
    const cancel = this.#settings.clock.schedule(limitsDelayMs, () => void limits.refresh());
    this.#life.signal.addEventListener("abort", cancel, { once: true });
  }

  #reportOpened(creds: AuthenticationCreds): void {
    this.#stage = "open";
    this.#life.clearDeadline();
    this.#me = meOf(creds);
    this.#askForLimits();
    // WhatsApp has accepted this login, so it can serve as the former one later.
    this.#auth?.rememberLogin();
    if (this.#me) this.#life.enqueueReport({ type: "opened", me: this.#me });
    this.#loggedIn.resolve();
  }

  /** Resolves when a frame may leave: the keys it may use are on disk, and the messages it may acknowledge are committed. */
  #beforeSending(auth: AuthStore): Promise<void> | undefined {
    if (auth.isDurable && (this.#isUnlinking || (this.#inbox.isEmpty && this.#acks.isEmpty))) return undefined;
    return this.#allWritten(auth);
  }

  async #allWritten(auth: AuthStore): Promise<void> {
    const reported = this.#acks.committed();
    // The frame may acknowledge the message that is being decrypted now.
    await auth.ratchetsReleased();
    const emptied = this.#inbox.emptied();
    await auth.flush();
    if (!this.#isUnlinking) await Promise.all([emptied, reported]);
  }

  /** Reports WhatsApp's acknowledgements. Called before `followNames`, so that a receipt's pairs of ids are learned first. */
  #followAcks(ws: WASocket["ws"], { state: { creds } }: AuthStore, people: People): void {
    const named = (reports: readonly AckReport[]) => Promise.all(reports.map((report) => withNumber(report, people)));
    ws.prependListener("CB:ack,class:message", (stanza: BinaryNode) => {
      const report = this.sending.acknowledged(stanza);
      if (report) this.#acks.add([report], named);
    });
    ws.prependListener("CB:receipt", (stanza: BinaryNode) => {
      if (creds.me && !this.#isUnlinking) this.#acks.add(receiptsIn(stanza, accountOf(creds.me)), named);
    });
  }

  #takeMessages(messages: readonly WAMessage[], auth: AuthStore, people: People): void {
    this.#recent.add(messages);
    const { stored, changes } = this.#inbox.add(reportsIn(messages, auth.state.creds));
    const files = this.#received?.add(messages) ?? [];
    const written = auth.releaseRatchets(stored.length > 0 ? new Map([...changes, ...files]) : undefined);
    void this.#received?.trim().then(
      (forgotten) => auth.defer(forgotten),
      () => {},
    );
    const named = written.then(() => people.complete(stored));
    // A failed write ends the engine; WhatsApp then sends the messages again.
    named.catch(() => {});
    this.#life.enqueue(async () => {
      for (const one of await named) this.#reportMessage(one);
    });
  }

  #reportMessage({ place, ...report }: StoredMessage): void {
    this.#life.report(eventOf(report), () => {
      const changes = this.#inbox.remove(place);
      this.#auth?.defer(changes, this.#inbox.isEmpty || place % inboxWriteInterval === 0);
    });
  }

  #startHeartbeat(socket: WASocket, gate: FrameGate): Heartbeat {
    return new Heartbeat(this.#settings.clock, this.#settings, {
      ping: (limitMs) => gate.keepAlive(() => ping(socket, limitMs)),
      isFrozen: () => this.#options.standing?.isFrozen ?? false,
      onHealth: (healthy) => {
        if (this.#stage === "open") this.#life.enqueueReport({ type: "health", healthy });
      },
      onDeaf: () => void this.#life.end(ends.deaf),
    });
  }

  async #unlink(): Promise<boolean> {
    await this.#life.opened;
    if (!(await this.#isLinked())) return false;
    // A login that was just paired can be used on a new connection only, which WhatsApp asks for.
    if (this.#stage === "paired") this.#life.setDeadline(this.#settings.pairingEndTimeoutMs, () => ends.noRestart);
    await this.#loggedIn.promise;
    return this.#socket ? unlinkDevice(this.#socket, this.#settings.logoutTimeoutMs) : false;
  }

  /** Returns whether there is a login. A ping goes first: if a phone has just scanned a code, WhatsApp reports that before it answers. */
  async #isLinked(): Promise<boolean> {
    if (this.#stage === "pairing" && this.#socket) await ping(this.#socket, this.#settings.pairingEndTimeoutMs);
    return this.#auth?.state.creds.account !== undefined;
  }

  /** Ends the engine because its connection is gone or of no further use. */
  #lose(error: unknown): void {
    const { clock, versions } = this.#settings;
    const closed = closedBy(error, {
      connected: this.#stage !== "connecting",
      nowMs: clock.nowMs(),
      wallMs: clock.wallMs(),
      failure: (cause) => this.#route.failure(cause),
      client: { version: this.#version, remedy: versions.remedy },
    });
    this.#life.fail(error, closed);
  }

  async #disconnect(): Promise<void> {
    this.#heartbeat?.stop();
    if (!this.#socket) return;
    await hangUp(this.#socket);
    await this.#socketClosed.promise;
  }

  async #release(): Promise<void> {
    // Messages that are read after this are not recorded as read, and would be reported again.
    await Promise.race([this.#inbox.emptied(), this.#closeWanted.promise]);
    await this.#chats?.close();
    await this.#auth?.close();
    this.#route.close();
  }
}
