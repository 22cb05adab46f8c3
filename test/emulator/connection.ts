/** One client's WebSocket: handshake, stanzas in both directions, and faults on demand. */
import type { Duplex } from "node:stream";
import { decodeBinaryNode, encodeBinaryNode, S_WHATSAPP_NET } from "@whiskeysockets/baileys";
import type { WebSocket } from "ws";
import { resetSocket } from "../support/reset-socket.ts";
import type { LinkedDevice } from "./device.ts";
import {
  FrameReader,
  frame,
  Handshake,
  type HandshakeResult,
  type ServerIdentity,
  type Transport,
} from "./noise-server.ts";
import { type BinaryNode, stanza } from "./stanza.ts";

/** Callbacks from a connection to its server. */
export interface ConnectionListener {
  /** Called after the handshake. The payload tells whether the client registers or logs in. */
  handshakeFinished(connection: Connection, client: HandshakeResult): void;
  /** Called for a stanza that does not answer a `request`. */
  stanzaReceived(connection: Connection, node: BinaryNode): void;
  closed(connection: Connection): void;
  /** Called for errors inside the emulator. */
  fault(error: unknown): void;
}

/** A client's connection, from the WebSocket upgrade to its end. */
export class Connection {
  /** Device logged in here; undefined before the login and while pairing. */
  device: LinkedDevice | undefined;
  /** Called with each stanza of the client. */
  onStanza: (node: BinaryNode) => void = () => {};
  /** Number of pings of the WebSocket itself. */
  webSocketPings = 0;
  /** Path and query of the address that the client uses. */
  readonly path: string;
  /** Resolves when the socket is closed. */
  readonly ended: Promise<void>;
  readonly #webSocket: WebSocket;
  readonly #tcp: Duplex;
  readonly #listener: ConnectionListener;
  readonly #frames = new FrameReader();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #requests = new Map<string, { resolve: (answer: BinaryNode) => void; reject: (error: Error) => void }>();
  #handshake: Handshake | undefined;
  #helloSent = false;
  #isReplaced = false;
  #transport: Transport | undefined;
  #received: Promise<void> = Promise.resolve();
  #state: "open" | "muted" | "ending" | "closed" = "open";
  #nextId = 1;

  constructor(
    webSocket: WebSocket,
    tcp: Duplex,
    identity: ServerIdentity,
    listener: ConnectionListener,
    path = "/ws/chat",
  ) {
    this.path = path;
    this.#webSocket = webSocket;
    this.#tcp = tcp;
    this.#listener = listener;
    this.#handshake = new Handshake(identity);
    webSocket.on("message", (data) => this.#read(data as Buffer));
    webSocket.on("ping", () => {
      this.webSocketPings += 1;
    });
    webSocket.on("error", () => webSocket.terminate());
    this.ended = new Promise((resolve) => {
      webSocket.on("close", () => {
        this.#finish();
        resolve();
      });
    });
  }

  /** Returns true if stanzas still reach the client. */
  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Sends a stanza. Has no effect on a muted or ending connection. */
  send(node: BinaryNode): void {
    if (this.#state !== "open" || !this.#transport) return;
    this.#webSocket.send(frame(this.#transport.encrypt(encodeBinaryNode(node))));
  }

  /** Sends an `iq` with a fresh id and resolves with the client's answer; rejects when the client hangs up. */
  request(attributes: Readonly<Record<string, string>>, content: BinaryNode[]): Promise<BinaryNode> {
    const id = `emulator-${this.#nextId++}`;
    const { promise, resolve, reject } = Promise.withResolvers<BinaryNode>();
    if (this.#state !== "open") reject(new Error("the connection is closed"));
    this.#requests.set(id, { resolve, reject });
    this.send(stanza("iq", { from: S_WHATSAPP_NET, to: S_WHATSAPP_NET, id, ...attributes }, content));
    return promise;
  }

  /** Cuts the socket and rejects everything pending on it, for a stopping server. */
  terminate(): void {
    this.#webSocket.terminate();
  }

  /** Runs `action` after `delayMs` unless the connection closes first. */
  later(delayMs: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, delayMs);
    this.#timers.add(timer);
  }

  /** Resets the TCP connection. */
  drop(): void {
    this.#state = "ending";
    resetSocket(this.#tcp);
  }

  /** Closes the WebSocket cleanly, without a stanza. */
  closeCleanly(): void {
    if (this.#state !== "closed") this.#state = "ending";
    this.#webSocket.close(1000);
  }

  /** Turns into a black hole: keeps reading but never answers again, not even the WebSocket's close. */
  mute(): void {
    this.#state = "muted";
    this.#tcp.removeAllListeners("data");
    this.#tcp.on("data", () => {});
    this.#tcp.resume();
  }

  /** Sends `<stream:error>` with a code (515, 503, …) and content, then ends the stream. */
  streamError(code?: number, content?: BinaryNode[]): void {
    this.#endWith(stanza("stream:error", { code }, content));
  }

  /** Ends the connection because a newer one replaced it. */
  conflictReplaced(): void {
    this.#isReplaced = true;
    this.streamError(undefined, [stanza("conflict", { type: "replaced" })]);
  }

  /** Ends the connection because the account's owner removed this device. */
  deviceRemoved(): void {
    this.streamError(401, [stanza("conflict", { type: "device_removed" })]);
  }

  /** Refuses the login with `<failure>`: 401, 402, 403, 405, 503, …; undefined sends no reason. */
  failure(reason?: number, attributes: Readonly<Record<string, string>> = {}): void {
    this.#endWith(stanza("failure", { reason, location: "emulator", ...attributes }));
  }

  #endWith(node: BinaryNode): void {
    this.send(node);
    this.send(stanza("xmlstreamend"));
    if (this.#state === "open") this.closeCleanly();
  }

  #read(data: Buffer): void {
    // Stanzas that come after the replacement are shown to tests, and have no effect.
    if (this.#state !== "open" && !(this.#state === "ending" && this.#isReplaced)) return;
    try {
      for (const body of this.#frames.read(data)) this.#readFrame(body);
    } catch (error) {
      this.#listener.fault(error);
      this.#webSocket.terminate();
    }
  }

  #readFrame(body: Buffer): void {
    if (this.#transport) {
      const plaintext = this.#transport.decrypt(body);
      // Decoding is asynchronous, so the chain keeps the stanzas in order.
      this.#received = this.#received
        .then(async () => this.#handle(await decodeBinaryNode(plaintext)))
        .catch((error) => this.#listener.fault(error));
    } else if (this.#helloSent) {
      const client = this.#handshake?.finish(body);
      this.#handshake = undefined;
      this.#transport = client?.transport;
      if (client) this.#listener.handshakeFinished(this, client);
    } else {
      this.#webSocket.send(frame(this.#handshake?.hello(body) ?? Buffer.alloc(0)));
      this.#helloSent = true;
    }
  }

  #handle(node: BinaryNode): void {
    if (this.#state === "muted") return;
    this.onStanza(node);
    if (this.#state !== "open") return;
    const { id = "", type } = node.attrs;
    const request = this.#requests.get(id);
    if (node.tag === "iq" && request && (type === "result" || type === "error")) {
      this.#requests.delete(id);
      if (type === "result") request.resolve(node);
      else request.reject(new Error("the client answered with an error"));
      return;
    }
    this.#listener.stanzaReceived(this, node);
  }

  #finish(): void {
    this.#state = "closed";
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const request of this.#requests.values()) request.reject(new Error("the client hung up"));
    this.#requests.clear();
    this.#listener.closed(this);
  }
}
