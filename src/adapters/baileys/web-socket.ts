import type { WASocket } from "@whiskeysockets/baileys";
import type { Clock } from "../../ports/system.ts";

/** Baileys' client around a WebSocket of `ws`. */
export type WebSocketClient = WASocket["ws"];

/** The part of `ws` that is used here. */
interface WebSocket {
  readonly readyState: number;
  send(data: Uint8Array, onSent?: (error?: Error) => void): void;
  close(): void;
  terminate(): void;
  once(event: "close", listener: () => void): void;
}

// RFC 6455's states, numbered as in `ws`.
const openState = 1;
const closedState = 3;

/**
 * Limits the closing handshake to `limitMs`; `ws` gives a silent peer 30 s. Makes `client.close()` idempotent; it resolves when the
 * socket is closed.
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
 * Holds each frame, and those after it, until the promise of `pending` resolves. A frame leaves at once if `pending` returns
 * undefined and no other frame waits. Baileys is told at once that the frame was sent, because the wait may depend on its next step.
 * After a rejected wait nothing leaves any more.
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
      // All later frames wait for this one, so nothing leaves.
      () => {},
    );
    onSent?.();
  };
}

/** Baileys declares the field protected, and has no public way to cut a connection. */
function webSocketOf(client: WebSocketClient): WebSocket {
  const socket: unknown = Reflect.get(client, "socket");
  if (!isWebSocket(socket)) throw new Error("Baileys' WebSocket client has no WebSocket");
  return socket;
}

const isWebSocket = (value: unknown): value is WebSocket =>
  typeof value === "object" && value !== null && "readyState" in value && "terminate" in value;

/** Events whose listeners decide over the connection. A failure in any other listener costs one stanza. */
const vitalEvents = new Set(["message", "open", "close", "error", "CB:success", "CB:failure", "CB:stream:error"]);
const isVital = (event: string | symbol) =>
  vitalEvents.has(String(event)) || /pair-(device|success)$/.test(String(event));

/** Catches errors of listeners, which would become unhandled rejections, and passes them to `onFailure`. The other listeners still run. */
export function catchListenerErrors(
  client: WebSocketClient,
  onFailure: (error: unknown, isVital: boolean) => void,
): void {
  const emit = client.emit.bind(client);
  client.emit = (event: string | symbol, ...args: unknown[]) => {
    // Without a listener, an "error" throws.
    if (client.listenerCount(event) === 0) return emit(event, ...args);
    const fail = (error: unknown) => onFailure(error, isVital(event));
    for (const listener of client.rawListeners(event)) {
      try {
        const result: unknown = Reflect.apply(listener, client, args);
        if (result instanceof Promise) result.catch(fail);
      } catch (error) {
        fail(error);
      }
    }
    return true;
  };
}
