import {
  type BaileysEventMap,
  makeWASocket,
  type proto,
  S_WHATSAPP_NET,
  type UserFacingSocketConfig,
  type WAMessage,
  type WAMessageKey,
  type WASocket,
} from "@whiskeysockets/baileys";
import type { SessionConfig } from "../../../gen/sessiond/v1/session_pb.js";
import type { Clock, Logger } from "../../ports/system.ts";
import type { AuthStore } from "./auth-state.ts";
import { versionParts } from "./client-version.ts";
import { baileysLogger } from "./logger.ts";
import type { SessionProxy } from "./proxy.ts";
import type { Route } from "./route.ts";
import { boundClose } from "./web-socket.ts";

/** How sockets behave; the same for all sessions. */
export interface SocketSettings {
  readonly clock: Clock;
  /** WhatsApp's address; the library's if left out. */
  readonly waWebSocketUrl?: string | undefined;
  /** What the phone lists the device as; the library's if left out. */
  readonly deviceName?: string | undefined;
  readonly browserName?: string | undefined;
  readonly connectTimeoutMs: number;
  readonly queryTimeoutMs: number;
  /** How long each QR code lives; WhatsApp's rhythm of 60 s and then 20 s each if left out. */
  readonly qrTimeoutMs?: number | undefined;
}

/** What is a session's own about its socket. */
export interface SocketParts {
  readonly auth: AuthStore;
  readonly config: SessionConfig;
  /** The client version to log in with. */
  readonly version: string;
  readonly logger: Logger;
  readonly route: Route;
  readonly findMessage: ((key: WAMessageKey) => Promise<proto.IMessage | undefined>) | undefined;
}

/** A silent peer gets this long to answer the end of a WebSocket. */
const closeLimitMs = 1_000;
const osVersion = "14.4.1";
/** The longest a timer of Node's can be set to. */
const maxTimerMs = 2 ** 31 - 1;

/** Opens a socket to WhatsApp; it connects on its own from the next turn on. */
export function openSocket(settings: SocketSettings, parts: SocketParts): WASocket {
  const { config, route, findMessage } = parts;
  const { proxy } = route;
  const { noweb } = config;
  const { waWebSocketUrl, deviceName, browserName, qrTimeoutMs } = settings;
  const socketConfig: UserFacingSocketConfig = {
    auth: parts.auth.state,
    version: versionParts(parts.version),
    logger: baileysLogger(parts.logger, config.debug),
    browser: [deviceName ?? "Mac OS", browserName ?? "Chrome", osVersion],
    connectTimeoutMs: settings.connectTimeoutMs,
    // Whether WhatsApp still answers is watched by Heartbeat.
    keepAliveIntervalMs: maxTimerMs,
    defaultQueryTimeoutMs: settings.queryTimeoutMs,
    ...(waWebSocketUrl !== undefined && { waWebSocketUrl }),
    ...(qrTimeoutMs !== undefined && { qrTimeout: qrTimeoutMs }),
    ...(proxy && { agent: proxy.agent, fetchAgent: proxy.agent, options: downloadsThrough(proxy) }),
    // A second try would come when the engine is closed already: a failed write ends it.
    transactionOpts: { maxCommitRetries: 1, delayBetweenTriesMs: 0 },
    emitOwnEvents: false,
    enableRecentMessageCache: false,
    markOnlineOnConnect: noweb?.markOnline ?? true,
    syncFullHistory: noweb?.store?.fullSync ?? false,
    shouldSyncHistoryMessage: () => noweb?.store?.enabled ?? false,
    ...(findMessage && { getMessage: findMessage }),
  };
  const socket = route.connect(() => makeWASocket(socketConfig));
  boundClose(socket.ws, settings.clock, closeLimitMs);
  return socket;
}

/** A round trip to WhatsApp: whether it answers in time, as its own clients ask (xmlns w:p). Never rejects. */
export async function ping(socket: WASocket, limitMs: number): Promise<boolean> {
  const attrs = { to: S_WHATSAPP_NET, type: "get", xmlns: "w:p" };
  const answer: unknown = await socket
    .query({ tag: "iq", attrs, content: [{ tag: "ping", attrs: {} }] }, limitMs)
    .catch(() => undefined);
  return answer !== undefined;
}

/** Tells of messages as soon as Baileys has decrypted them, and not when it empties its buffer of events. */
export function onMessages({ ev }: WASocket, listener: (messages: readonly WAMessage[]) => void): void {
  const emit: WASocket["ev"]["emit"] = ev.emit;
  const isUpsert = (event: string, _value: unknown): _value is BaileysEventMap["messages.upsert"] =>
    event === "messages.upsert";
  ev.emit = (event, value) => {
    if (isUpsert(event, value)) listener(value.messages);
    return emit.call(ev, event, value);
  };
}

/** Tells when Baileys is about to decrypt a message, and if it cannot. */
export function onDecryption({ signalRepository }: WASocket, begins: () => void, fails: () => void): void {
  const told =
    <Parameters extends unknown[]>(decrypt: (...args: Parameters) => Promise<Uint8Array>) =>
    async (...args: Parameters): Promise<Uint8Array> => {
      begins();
      try {
        return await decrypt(...args);
      } catch (error) {
        fails();
        throw error;
      }
    };
  signalRepository.decryptMessage = told(signalRepository.decryptMessage.bind(signalRepository));
  signalRepository.decryptGroupMessage = told(signalRepository.decryptGroupMessage.bind(signalRepository));
}

/** The dispatcher is made when Baileys asks for it: most sessions never download anything. */
const downloadsThrough = (proxy: SessionProxy): RequestInit => ({
  get dispatcher() {
    // Baileys hands it to Node's own fetch, whose undici has types of its own for the same thing.
    return proxy.dispatcher as unknown as NonNullable<RequestInit["dispatcher"]>;
  },
});

/** Ends the socket; resolves when it is closed, and nothing waits for it any more. Idempotent. */
export async function hangUp(socket: WASocket): Promise<void> {
  const { ws } = socket;
  await socket.end(undefined);
  await ws.close();
  // Baileys no longer listens for the end itself, but its queries do, those under way and those still made in the course of
  // what it was doing: told of the end, they take back their timers of up to a minute.
  const tell = () => ws.emit("error", new Error("Connection Closed"));
  tell();
  ws.removeAllListeners();
  ws.on("error", () => {});
  ws.on("newListener", (event) => {
    if (event === "error") process.nextTick(tell);
  });
}
