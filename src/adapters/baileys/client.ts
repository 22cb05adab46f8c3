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
import { boundPairCache, cachesOf } from "./caches.ts";
import { versionParts } from "./client-version.ts";
import { baileysLogger } from "./logger.ts";
import type { SessionProxy } from "./proxy.ts";
import type { Route } from "./route.ts";
import { boundClose } from "./web-socket.ts";

/** Options of all sessions' sockets. */
export interface SocketSettings {
  readonly clock: Clock;
  /** WhatsApp's address; Baileys' default if left out. */
  readonly waWebSocketUrl?: string | undefined;
  /** Name under which the phone lists the device; Baileys' default if left out. */
  readonly deviceName?: string | undefined;
  readonly browserName?: string | undefined;
  readonly queryTimeoutMs: number;
  /** Lifetime of each QR code; WhatsApp's rhythm of 60 s and then 20 s each if left out. */
  readonly qrTimeoutMs?: number | undefined;
}

/** The parts of a socket that belong to one session. */
export interface SocketParts {
  readonly auth: AuthStore;
  readonly config: SessionConfig;
  /** The client version to log in with. */
  readonly version: string;
  readonly logger: Logger;
  readonly route: Route;
  readonly findMessage: (key: WAMessageKey) => Promise<proto.IMessage | undefined>;
}

/** Time for a silent peer to answer the closing handshake. */
const closeLimitMs = 1_000;
const osVersion = "14.4.1";
/** Node's longest timer. */
const maxTimerMs = 2 ** 31 - 1;

/** Opens a socket to WhatsApp. It connects on its own after the caller has had time to listen. */
export function openSocket(settings: SocketSettings, parts: SocketParts): WASocket {
  const { config, route, findMessage } = parts;
  const { proxy } = route;
  const { noweb } = config;
  const { waWebSocketUrl, qrTimeoutMs } = settings;
  const deviceName = config.client?.deviceName || settings.deviceName;
  const browserName = config.client?.browserName || settings.browserName;
  const socketConfig: UserFacingSocketConfig = {
    auth: parts.auth.state,
    version: versionParts(parts.version),
    logger: baileysLogger(parts.logger, config.debug),
    browser: [deviceName ?? "Mac OS", browserName ?? "Chrome", osVersion],
    // The engine has deadlines of its own. With one of Baileys, each frame that is sent costs a timer and two stack traces (its
    // sendRawMessage).
    connectTimeoutMs: 0,
    // Heartbeat sends the pings.
    keepAliveIntervalMs: maxTimerMs,
    defaultQueryTimeoutMs: settings.queryTimeoutMs,
    ...(waWebSocketUrl !== undefined && { waWebSocketUrl }),
    ...(qrTimeoutMs !== undefined && { qrTimeout: qrTimeoutMs }),
    ...(proxy && { agent: proxy.agent, fetchAgent: proxy.agent, options: downloadsThrough(proxy) }),
    // A failed write ends the engine, so a retry would come too late.
    transactionOpts: { maxCommitRetries: 1, delayBetweenTriesMs: 0 },
    emitOwnEvents: false,
    enableRecentMessageCache: false,
    ...cachesOf(settings.clock),
    markOnlineOnConnect: noweb?.markOnline ?? true,
    syncFullHistory: noweb?.store?.fullSync ?? false,
    shouldSyncHistoryMessage: () => noweb?.store?.enabled ?? false,
    getMessage: findMessage,
  };
  const socket = route.connect(() => makeWASocket(socketConfig));
  boundPairCache(socket, settings.clock);
  boundClose(socket.ws, settings.clock, closeLimitMs);
  return socket;
}

/** Sends a ping as WhatsApp's own clients do (xmlns w:p); resolves with whether the answer came in time. Never rejects. */
export async function ping(socket: WASocket, limitMs: number): Promise<boolean> {
  const attrs = { to: S_WHATSAPP_NET, type: "get", xmlns: "w:p" };
  const answer: unknown = await socket
    .query({ tag: "iq", attrs, content: [{ tag: "ping", attrs: {} }] }, limitMs)
    .catch(() => undefined);
  return answer !== undefined;
}

/** Calls `listener` with messages as soon as Baileys has decrypted them, before they go into its event buffer. */
export function onMessages({ ev }: WASocket, listener: (messages: readonly WAMessage[]) => void): void {
  const emit: WASocket["ev"]["emit"] = ev.emit;
  const isUpsert = (event: string, _value: unknown): _value is BaileysEventMap["messages.upsert"] =>
    event === "messages.upsert";
  ev.emit = (event, value) => {
    if (isUpsert(event, value)) listener(value.messages);
    return emit.call(ev, event, value);
  };
}

/** Calls `begins` before Baileys decrypts a message, and `fails` if it cannot. */
export function onDecryption({ signalRepository }: WASocket, begins: () => void, fails: () => void): void {
  const observed =
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
  signalRepository.decryptMessage = observed(signalRepository.decryptMessage.bind(signalRepository));
  signalRepository.decryptGroupMessage = observed(signalRepository.decryptGroupMessage.bind(signalRepository));
}

/** Creates the dispatcher only when Baileys asks for it, since most sessions never download anything. */
const downloadsThrough = (proxy: SessionProxy): RequestInit & Pick<SessionProxy, "dispatcher"> => ({
  get dispatcher() {
    return proxy.dispatcher;
  },
});

/** Ends the socket; resolves when it is closed and no query waits for it. Idempotent. */
export async function hangUp(socket: WASocket): Promise<void> {
  const { ws } = socket;
  await socket.end(undefined);
  await ws.close();
  // Queries under way, and any that Baileys still starts, listen for an error of the socket. Without one they would hold their timers
  // for up to a minute.
  const rejectQueries = () => ws.emit("error", new Error("Connection Closed"));
  rejectQueries();
  ws.removeAllListeners();
  ws.on("error", () => {});
  ws.on("newListener", (event) => {
    if (event === "error") process.nextTick(rejectQueries);
  });
}
