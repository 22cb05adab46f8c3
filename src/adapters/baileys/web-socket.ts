import type { WASocket } from "@whiskeysockets/baileys";
import type { Clock } from "../../ports/system.ts";

/** Baileys' client around a WebSocket of `ws`. */
export type WebSocketClient = WASocket["ws"];

/** What is used of the WebSocket itself. */
interface WebSocket {
  readonly readyState: number;
  send(data: Uint8Array, onSent?: (error?: Error) => void): void;
  close(): void;
  terminate(): void;
  once(event: "close", listener: () => void): void;
}

// RFC 6455's states as `ws` numbers them.
const openState = 1;
const closedState = 3;

/**
 * Bounds the closing handshake: Baileys reports a close only when the handshake is through, and `ws` gives a silent peer 30 s.
 * From now on `client.close()` may be called at any time and resolves when the socket is gone.
 */
export function boundClose(client: WebSocketClient, clock: Clock, limitMs: number): void {
  const socket = webSocketOf(client);
  client.close = async () => {
    if (socket.readyState === closedState) return;
    const closed = new Promise<void>((resolve) => socket.once("close", resolve));
    const cancel = clock.schedule(limitMs, () => socket.terminate());
    socket.close();
    await closed;
    cancel();
  };
}

/**
 * Keeps each frame back, and those after it, until what `pending` gives for it resolves; where that gives nothing and none waits, it
 * goes at once. Baileys takes a frame kept back for sent, so that what is waited for can come about. If a wait rejects, nothing leaves
 * any more.
 */
export function holdFrames(client: WebSocketClient, pending: () => Promise<void> | undefined): void {
  const socket = webSocketOf(client);
  const send = socket.send.bind(socket);
  let last: Promise<void> | undefined;
  const sendAfter = async (before: Promise<void> | undefined, wait: Promise<void> | undefined, data: Uint8Array) => {
    await Promise.all([before, wait]);
    if (socket.readyState === openState) send(data);
  };
  socket.send = (data, onSent) => {
    const wait = pending();
    if (!last && !wait) return send(data, onSent);
    const sent = sendAfter(last, wait, data);
    last = sent;
    sent.then(
      () => {
        if (last === sent) last = undefined;
      },
      // All that comes after it waits for it.
      () => {},
    );
    onSent?.();
  };
}

/** The client declares it protected; nothing public can cut a connection. */
function webSocketOf(client: WebSocketClient): WebSocket {
  const socket: unknown = Reflect.get(client, "socket");
  if (!isWebSocket(socket)) throw new Error("Baileys' WebSocket client holds no WebSocket");
  return socket;
}

const isWebSocket = (value: unknown): value is WebSocket =>
  typeof value === "object" && value !== null && "readyState" in value && "terminate" in value;

/** What Baileys does when it hears these decides over the connection; a failure in any other listener costs one stanza. */
const vital = new Set(["message", "open", "close", "error", "CB:success", "CB:failure", "CB:stream:error"]);
const isVital = (event: string | symbol) => vital.has(String(event)) || /pair-(device|success)$/.test(String(event));

/** Keeps what Baileys' own listeners throw or reject with from becoming an unhandled rejection. */
export function guardListeners(client: WebSocketClient, onFailure: (error: unknown, vital: boolean) => void): void {
  for (const event of client.eventNames()) {
    const fail = (error: unknown) => onFailure(error, isVital(event));
    const listeners = client.listeners(event);
    client.removeAllListeners(event);
    for (const listener of listeners) {
      client.on(event, (...args: unknown[]) => {
        try {
          const result: unknown = Reflect.apply(listener, client, args);
          if (result instanceof Promise) result.catch(fail);
        } catch (error) {
          fail(error);
        }
      });
    }
  }
}
