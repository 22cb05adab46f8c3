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
  ping(): void;
  /** Reads no more from the connection until `resume`. */
  pause(): void;
  resume(): void;
  once(event: "close", listener: () => void): void;
}

// RFC 6455's states, numbered as in `ws`.
export const openState = 1;
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

/** Baileys declares the field protected, and has no public way to cut a connection. */
export function webSocketOf(client: WebSocketClient): WebSocket {
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
