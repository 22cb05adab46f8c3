import type { IncomingMessage } from "node:http";
import type { AuthenticationCreds, BaileysEventMap, BinaryNode, WAMessage, WASocket } from "@whiskeysockets/baileys";
import { Engine_Kind, type Me } from "../../../gen/sessiond/v1/session_pb.js";
import {
  type Engine,
  type EngineEvent,
  type EngineFactory,
  type EngineOptions,
  PairingCodeRefused,
  type UnlinkResult,
} from "../../ports/engine.ts";
import { LeaseLost } from "../../ports/sessions.ts";
import type { Logger } from "../../ports/system.ts";
import type { People } from "../engine/people.ts";
import { allowSlowAddresses } from "./address-attempts.ts";
import { AuthStore } from "./auth-state.ts";
import { ChatKeeper } from "./chat-store.ts";
import { type Closed, closedBy, ends, failedBy, upgradeRefusedBy } from "./close-cause.ts";
import { installConsoleGuard } from "./console-guard.ts";
import { installFastCurve } from "./curve.ts";
import { EventQueue } from "./event-queue.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Inbox, type Kept } from "./inbox.ts";
import { errorFields } from "./logger.ts";
import { followNames, peopleOf } from "./names.ts";
import { honourShownSecret, requestCode } from "./pairing.ts";
import { uploadFirstPreKeys } from "./pre-keys.ts";
import { Route } from "./route.ts";
import { type BaileysOptions, type Settings, settingsOf } from "./settings.ts";
import { installSignalJobs } from "./signal-jobs.ts";
import { hangUp, onDecryption, onMessages, openSocket, ping } from "./socket.ts";
import { hasLogin, restoreKept } from "./stored-login.ts";
import { isSameMe, meOf, messagesIn, qrEvent, refsIn } from "./translate.ts";
import { unlinkDevice } from "./unlink.ts";
import { guardListeners, holdFrames } from "./web-socket.ts";

/** So many messages can be taken before that is noted: fewer than those a session remembers to have reported. */
const noteEvery = 20;
/** A reader this far behind is worth a line in the log, and again each time as many more wait. */
const backlogWarning = 1_000;
/** Baileys and `ws` have limits of their own, which tell more; this one is for when they do not see the trouble. */
const graceMs = 1_000;

export type { BaileysOptions } from "./settings.ts";

/** Makes NOWEB engines: WhatsApp's multi-device protocol, spoken by Baileys. Mends libsignal and Node's patience with addresses for good, in the whole process. */
export function createBaileysFactory(options: BaileysOptions): EngineFactory {
  installConsoleGuard();
  allowSlowAddresses();
  installSignalJobs();
  if (options.fastCurve ?? true) installFastCurve();
  const settings = settingsOf(options);
  return {
    kind: Engine_Kind.NOWEB,
    capabilities: { screenshot: false },
    clientVersions: settings.versions,
    open: (engineOptions) => new BaileysEngine(settings, engineOptions),
    hasLogin,
    restoreCredentials: restoreKept,
  };
}

/** The life of one socket. Whatever ends it goes through `#end`, and the first reason counts. */
class BaileysEngine implements Engine {
  readonly events = new EventQueue<EngineEvent>();
  readonly #settings: Settings;
  readonly #options: EngineOptions;
  readonly #logger: Logger;
  readonly #opening: Promise<void>;
  readonly #loggedIn = Promise.withResolvers<void>();
  readonly #ending = Promise.withResolvers<void>();
  readonly #socketClosed = Promise.withResolvers<void>();
  #stage: "connecting" | "pairing" | "paired" | "open" = "connecting";
  readonly #closeWanted = Promise.withResolvers<void>();
  #auth: AuthStore | undefined;
  #inbox = new Inbox(0, 0);
  #unlinking = false;
  #heartbeat: Heartbeat | undefined;
  #socket: WASocket | undefined;
  #chats: ChatKeeper | undefined;
  #route = new Route(undefined);
  readonly #version: string;
  #qrs = { refs: 0, shown: 0 };
  #me: Me | undefined;
  /** What must come one after another: `paired` waits for the disk, and what follows waits for `paired`. */
  #order: Promise<void> = Promise.resolve();
  #codes: Promise<unknown> = Promise.resolve();
  #cancelDeadline = () => {};
  #closed: Closed | undefined;
  #ended: Promise<void> | undefined;

  constructor(settings: Settings, options: EngineOptions) {
    this.#settings = settings;
    this.#options = options;
    this.#version = settings.versions.current;
    this.#logger = options.logger;
    this.#opening = this.#open().catch((error) => this.#fail(error));
  }

  requestPairingCode(phoneNumber: string): Promise<string> {
    const code = this.#codes.then(async () => {
      if (!this.#socket || !this.#auth || this.#stage !== "pairing" || this.#closed) {
        throw new PairingCodeRefused("The session does not wait for a phone");
      }
      try {
        return await requestCode(this.#socket, phoneNumber, this.#settings.pairingCodeTimeoutMs);
      } finally {
        this.#auth.credsChanged();
      }
    });
    this.#codes = code.catch(() => {});
    return code;
  }

  get lastInboundAtMs(): number | undefined {
    return this.#heartbeat && this.#settings.clock.wallMsAt(this.#heartbeat.heardAtMs);
  }

  async logout(): Promise<UnlinkResult> {
    // Who reads the events may be the one who waits here; and messages are no concern of this device any more.
    this.#unlinking = true;
    this.#inbox.giveUp();
    this.#closeWanted.resolve();
    // Instead of an answer WhatsApp may end the connection, with the same meaning.
    const unlinked = await Promise.race([this.#unlink(), this.#ending.promise]);
    await this.#end(unlinked ? { cause: "logged_out", message: "The device was unlinked" } : ends.onRequest);
    const cause = this.#closed?.cause;
    if (cause === "logged_out") return "unlinked";
    if (this.#auth && !this.#auth.state.creds.account) return "not_linked";
    return cause === "restart_required" ? "again" : "unknown";
  }

  async screenshot(): Promise<Uint8Array> {
    throw new Error("a NOWEB engine has no picture: see its capabilities");
  }

  close(): Promise<void> {
    this.#closeWanted.resolve();
    return this.#end(ends.onRequest);
  }

  async #open(): Promise<void> {
    const { config, credentials, chats } = this.#options;
    this.#auth = await AuthStore.open(credentials, this.#settings.clock, (error) => this.#fail(error));
    const { inbox, left } = await Inbox.open(credentials);
    this.#inbox = inbox;
    if (this.#unlinking) inbox.giveUp();
    const people = peopleOf(this.#auth);
    for (const kept of await people.complete(left)) this.#pushMessage(kept);
    if (this.#closed) return;
    this.#route = new Route(config.proxy);
    if (config.noweb?.store?.enabled) this.#chats = new ChatKeeper(chats, this.#settings.clock, this.#logger);
    const keeper = this.#chats;
    this.#socket = openSocket(this.#settings, {
      auth: this.#auth,
      config,
      logger: this.#logger,
      version: this.#version,
      route: this.#route,
      findMessage: keeper && ((key) => keeper.message(key)),
    });
    this.#listen(this.#socket, this.#auth, people);
    this.#setDeadline(this.#settings.connectTimeoutMs + graceMs, () => ({
      cause: "unreachable",
      message: this.#route.timeout(),
    }));
  }

  #listen(socket: WASocket, auth: AuthStore, people: People): void {
    const { ws, ev } = socket;
    const warn = (error: unknown) => this.#logger.warn(errorFields(error), "a stanza could not be handled");
    auth.takeRatchets(socket.authState.keys);
    honourShownSecret(socket);
    uploadFirstPreKeys(socket, warn);
    ws.prependListener("CB:iq,type:set,pair-device", (stanza: BinaryNode) => {
      this.#qrs.refs = this.#qrs.shown + refsIn(stanza);
    });
    holdFrames(ws, () => this.#beforeSending(auth));
    onDecryption(
      socket,
      () => auth.expectMessage(),
      () => auth.expectNoMessage(),
    );
    onMessages(socket, (messages) => this.#takeMessages(messages, auth, people));
    followNames(socket, auth, people);
    ws.on("open", () => {
      this.#setDeadline(this.#settings.loginTimeoutMs, () => ends.noLogin);
      this.#heartbeat = this.#beat(socket);
    });
    ws.on("frame", () => this.#heartbeat?.heard());
    // Baileys listens for it too, but only to pass it on, and with a listener `ws` leaves the rest to it.
    ws.on("unexpected-response", (_request: unknown, response: IncomingMessage) => {
      void this.#end(upgradeRefusedBy(response.statusCode ?? 0));
    });
    guardListeners(ws, (error, vital) => (vital ? this.#lose(error) : warn(error)));
    ev.process((events) => {
      try {
        this.#handle(events, socket, auth);
      } catch (error) {
        this.#fail(error);
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
      // What Baileys still holds back would be lost, although WhatsApp has its receipts already.
      socket.ev.flush();
      this.#socketClosed.resolve();
      this.#lose(update.lastDisconnect?.error);
    }
    this.#chats?.record(events);
    const me = meOf(creds);
    if (this.#stage === "open" && me && !isSameMe(me, this.#me)) {
      this.#me = me;
      this.#emit({ type: "me_changed", me });
    }
  }

  #showQr(value: string): void {
    if (this.#stage === "connecting") this.#stage = "pairing";
    this.#cancelDeadline();
    this.#qrs.shown += 1;
    const { clock, qrTimeoutMs } = this.#settings;
    const { refs, shown: serial } = this.#qrs;
    this.#emit(qrEvent({ value, serial, refs, issuedAtMs: clock.nowMs(), qrTimeoutMs }));
  }

  #reportPaired(auth: AuthStore): void {
    this.#stage = "paired";
    this.#setDeadline(this.#settings.loginTimeoutMs, () => ends.noRestart);
    const me = meOf(auth.state.creds);
    this.#order = this.#order.then(async () => {
      try {
        await auth.flush();
        if (me) this.#push({ type: "paired", me });
      } catch {
        // The failure has ended the engine already; the login is not durable.
      }
    });
  }

  #reportOpened(creds: AuthenticationCreds): void {
    this.#stage = "open";
    this.#cancelDeadline();
    this.#me = meOf(creds);
    // WhatsApp has taken this login: it is the one to come back to.
    this.#auth?.keep();
    if (this.#me) this.#emit({ type: "opened", me: this.#me });
    this.#loggedIn.resolve();
  }

  /** What must be so before a frame leaves: all keys it may have used are on disk, all messages it may acknowledge are committed. */
  #beforeSending(auth: AuthStore): Promise<void> | undefined {
    if (auth.isDurable && (this.#unlinking || this.#inbox.isEmpty)) return undefined;
    return this.#settled(auth);
  }

  async #settled(auth: AuthStore): Promise<void> {
    // The message that is being read may be among those that the frame acknowledges.
    await auth.sealed();
    const emptied = this.#inbox.emptied();
    await auth.flush();
    if (!this.#unlinking) await emptied;
  }

  #takeMessages(messages: readonly WAMessage[], auth: AuthStore, people: People): void {
    const { kept, changes } = this.#inbox.add(messagesIn(messages, auth.state.creds));
    const durable = auth.seal(kept.length > 0 ? changes : undefined);
    this.#order = Promise.all([durable.then(() => people.complete(kept)), this.#order]).then(
      ([named]) => {
        for (const one of named) this.#pushMessage(one);
      },
      // The failure has ended the engine already; WhatsApp will send the messages again.
      () => {},
    );
  }

  #pushMessage({ place, message }: Kept): void {
    this.#push({ type: "message", message }, () => {
      const changes = this.#inbox.done(place);
      this.#auth?.defer(changes, this.#inbox.isEmpty || place % noteEvery === 0);
    });
  }

  #beat(socket: WASocket): Heartbeat {
    return new Heartbeat(this.#settings.clock, this.#settings, {
      ping: (limitMs) => ping(socket, limitMs),
      onHealth: (healthy) => {
        if (this.#stage === "open") this.#emit({ type: "health", healthy });
      },
      onDeaf: () => void this.#end(ends.deaf),
    });
  }

  #emit(event: EngineEvent): void {
    this.#order = this.#order.then(() => this.#push(event));
  }

  #push(event: EngineEvent, onTaken?: () => void): void {
    this.events.push(event, onTaken);
    const waiting = this.events.size;
    if (waiting > 0 && waiting % backlogWarning === 0) this.#logger.warn({ waiting }, "events wait to be recorded");
  }

  async #unlink(): Promise<boolean> {
    await this.#opening;
    if (!(await this.#isLinked())) return false;
    // Only a new connection can log in with a login that was just paired: it may come once WhatsApp has asked for it.
    if (this.#stage === "paired") this.#setDeadline(this.#settings.pairingEndTimeoutMs, () => ends.noRestart);
    await this.#loggedIn.promise;
    return this.#socket ? unlinkDevice(this.#socket, this.#settings.logoutTimeoutMs) : false;
  }

  /** Whether there is a login. A phone may just have scanned a code: what WhatsApp sent before it answers a ping has come by then. */
  async #isLinked(): Promise<boolean> {
    if (this.#stage === "pairing" && this.#socket) await ping(this.#socket, this.#settings.pairingEndTimeoutMs);
    return this.#auth?.state.creds.account !== undefined;
  }

  #setDeadline(delayMs: number, closed: () => Closed): void {
    this.#cancelDeadline();
    this.#cancelDeadline = this.#settings.clock.schedule(delayMs, () => void this.#end(closed()));
    if (this.#closed) this.#cancelDeadline();
  }

  /** The connection is gone, or of no use any more. */
  #lose(error: unknown): void {
    const connected = this.#stage !== "connecting";
    const { clock } = this.#settings;
    const now = { nowMs: clock.nowMs(), wallMs: clock.wallMs() };
    const failure = (cause: unknown) => this.#route.failure(cause);
    const client = { version: this.#version, remedy: this.#settings.versions.remedy };
    const closed = closedBy(error, { connected, ...now, failure, client });
    if (closed.cause === "engine_crashed" && !this.#closed) this.#logger.error(errorFields(error), "engine failed");
    void this.#end(closed);
  }

  /** The engine itself cannot go on. */
  #fail(error: unknown): void {
    if (error instanceof LeaseLost) {
      this.#logger.debug({}, "a newer engine has the session's data");
    } else if (!this.#closed) {
      this.#logger.error(errorFields(error), "engine failed");
    }
    void this.#end(failedBy(error));
  }

  #end(closed: Closed): Promise<void> {
    this.#closed ??= closed;
    this.#ending.resolve();
    this.#ended ??= this.#tearDown(this.#closed);
    return this.#ended;
  }

  async #tearDown(closed: Closed): Promise<void> {
    this.#cancelDeadline();
    try {
      await this.#opening;
      this.#heartbeat?.stop();
      if (this.#socket) {
        await hangUp(this.#socket);
        await this.#socketClosed.promise;
      }
      await this.#order;
      // What is read from here on is not noted any more, and would be reported again.
      await Promise.race([this.#inbox.emptied(), this.#closeWanted.promise]);
      await this.#chats?.close();
      await this.#auth?.close();
      this.#route.close();
    } catch (error) {
      this.#logger.error(errorFields(error), "engine did not close cleanly");
    }
    this.#push({ type: "closed", ...closed });
    this.events.end();
  }
}
