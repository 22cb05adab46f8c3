import type { Standing } from "../../ports/cluster.ts";
import { openState, type WebSocketClient, webSocketOf } from "./web-socket.ts";

/** Number of frames that a frozen node reads of one socket. More stay with WhatsApp. */
const maxHeld = 1_000;

/** The conditions under which frames pass. */
export interface GateRules {
  /** Resolves when a frame that Baileys has just made may leave; undefined if it may leave at once. */
  readonly allWritten: () => Promise<void> | undefined;
  /** Left out where there is no cluster. */
  readonly standing: Standing | undefined;
  /** True once nothing may pass any more. */
  readonly isShut: () => boolean;
  /** Called when anything comes in that Baileys does not see yet. */
  readonly onHeard: () => void;
  /** Called if the node's sessions were taken while frames waited for its thaw. */
  readonly onLost: (error: unknown) => void;
}

/**
 * Holds back the frames of one socket, in both directions, in their order. A frame leaves once the keys that it uses are on disk. While
 * the node is frozen only keepalives leave, and frames that come in wait, so that Baileys answers none of them.
 */
export class FrameGate {
  readonly #rules: GateRules;
  readonly #socket: ReturnType<typeof webSocketOf>;
  readonly #send: (data: Uint8Array, onSent?: (error?: Error) => void) => void;
  /** Resolves when the last frame that was held back has left. */
  #lastLeft: Promise<void> | undefined;
  #isKeepalive = false;
  /** Passes on the frames that wait to be read, the oldest first. */
  readonly #unread: (() => void)[] = [];

  constructor(client: WebSocketClient, rules: GateRules) {
    this.#rules = rules;
    this.#socket = webSocketOf(client);
    this.#send = this.#socket.send.bind(this.#socket);
    this.#socket.send = (data, onSent) => this.#takeOut(data, onSent);
    if (!rules.standing) return;
    const emit = client.emit.bind(client);
    client.emit = (event: string | symbol, ...args: unknown[]) =>
      event === "message" ? this.#takeIn(() => emit(event, ...args)) : emit(event, ...args);
    client.on("pong", rules.onHeard);
  }

  /**
   * Calls `ping`, which sends one frame before it returns. While the node is frozen and frames wait to leave, the frame would be out of
   * order: each is encrypted with its number. A ping of the WebSocket goes out in its place.
   */
  keepAlive(ping: () => Promise<boolean>): Promise<boolean> {
    if (!this.#rules.standing?.isFrozen) return ping();
    if (this.#lastLeft) {
      if (this.#socket.readyState === openState) this.#socket.ping();
      return Promise.resolve(false);
    }
    this.#isKeepalive = true;
    const answered = ping();
    this.#isKeepalive = false;
    return answered;
  }

  /**
   * Sends a frame when it may leave. Baileys is told at once that it was sent, because the wait may depend on its next step. After a
   * rejected wait nothing leaves any more.
   */
  #takeOut(data: Uint8Array, onSent: ((error?: Error) => void) | undefined): void {
    if (this.#rules.isShut()) {
      onSent?.();
      return;
    }
    const wait = this.#isKeepalive ? undefined : this.#rules.allWritten();
    const isHeld = !this.#isKeepalive && this.#rules.standing?.isFrozen;
    if (!this.#lastLeft && !wait && !isHeld) {
      this.#send(data, onSent);
      return;
    }
    const left = this.#sendAfter(this.#lastLeft, wait, data);
    this.#lastLeft = left;
    left.then(
      () => {
        if (this.#lastLeft === left) this.#lastLeft = undefined;
      },
      // All later frames wait for this one, so nothing leaves.
      () => {},
    );
    onSent?.();
  }

  async #sendAfter(
    before: Promise<void> | undefined,
    wait: Promise<void> | undefined,
    data: Uint8Array,
  ): Promise<void> {
    await Promise.all([before, wait]);
    await this.#thawed();
    if (!this.#rules.isShut() && this.#socket.readyState === openState) this.#send(data);
  }

  /** Passes a frame on to Baileys, once it may be read. */
  #takeIn(pass: () => void): boolean {
    if (this.#rules.isShut()) return true;
    if (this.#unread.length === 0 && !this.#rules.standing?.isFrozen) {
      pass();
      return true;
    }
    this.#rules.onHeard();
    this.#unread.push(pass);
    if (this.#unread.length === 1) this.#thawed().then(() => this.#passAll(), this.#rules.onLost);
    if (this.#unread.length === maxHeld) this.#socket.pause();
    return true;
  }

  #passAll(): void {
    const isPaused = this.#unread.length >= maxHeld;
    for (const pass of this.#unread.splice(0)) if (!this.#rules.isShut()) pass();
    if (isPaused) this.#socket.resume();
  }

  /** Resolves when the node is not frozen. Rejects if its sessions were taken. */
  async #thawed(): Promise<void> {
    const { standing } = this.#rules;
    while (standing?.isFrozen) await standing.thawed();
  }
}
