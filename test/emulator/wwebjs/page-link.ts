import { randomBytes, randomInt } from "node:crypto";
import type { WebSocket } from "ws";
import type { WebDevice, WebMessage } from "./web-phone.ts";
import type { WhatsAppWeb } from "./whatsapp-web.ts";

/** Commands for a page; see the page's own table. */
export type PageCommand =
  | { readonly type: "state"; readonly state: string }
  | { readonly type: "push_name"; readonly name: string }
  | { readonly type: "sync_again" | "spin" | "eat_memory" | "push_state" | "frame" | "reload" | "turn_wrong" };

interface Hello {
  readonly staticKey: string;
  readonly identityKey: string;
  readonly advSecret: string;
  readonly device?: string;
}

const refsPerRound = 6;
/** WhatsApp's codes contain no 0, O, I or U. */
const codeAlphabet = "123456789ABCDEFGHJKLMNPQRSTVWXYZ";

/** Server end of one page's link. */
export class PageLink {
  /** Device that is logged in on it. */
  device: WebDevice | undefined;
  /** Codes of the latest round, with which a phone can scan the page. */
  refs: readonly string[] = [];
  /** Latest pairing code and its number. */
  linkCode: { readonly phone: string; readonly code: string } | undefined;
  readonly #whatsapp: WhatsAppWeb;
  readonly #socket: WebSocket;
  #hello: Hello | undefined;
  #pairing: { readonly device: WebDevice; readonly done: () => void } | undefined;

  constructor(whatsapp: WhatsAppWeb, socket: WebSocket) {
    this.#whatsapp = whatsapp;
    this.#socket = socket;
    socket.on("message", (data) => this.#take(JSON.parse(String(data))));
    socket.on("close", () => {
      if (this.device?.page === this) this.device.page = undefined;
    });
  }

  get staticKey(): string {
    return this.#hello?.staticKey ?? "";
  }

  /** Returns whether a code's keys are this page's. */
  shows([ref = "", staticKey, identityKey, advSecret]: readonly string[]): boolean {
    const hello = this.#hello;
    return (
      this.refs.includes(ref) &&
      hello?.staticKey === staticKey &&
      hello?.identityKey === identityKey &&
      hello?.advSecret === advSecret
    );
  }

  /** Links the page as this device. Resolves when the page has its login on disk. */
  async pair(device: WebDevice): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#pairing = { device, done: resolve };
    this.refs = [];
    this.linkCode = undefined;
    this.#socket.on("close", () => reject(new Error("the page closed during linking")));
    this.#send({ type: "paired", device: device.jid });
    await promise;
  }

  deliver(message: WebMessage): void {
    this.#send({ type: "message", message });
  }

  /** Tells the page that its device is no longer linked. */
  unlink(): void {
    this.#send({ type: "unlinked" });
  }

  /** Sends the page a command. */
  command(command: PageCommand): void {
    this.#send(command);
  }

  hangUp(): void {
    this.#socket.terminate();
  }

  #take(message: { readonly type: string; readonly question?: number; readonly [field: string]: unknown }): void {
    switch (message.type) {
      case "hello":
        this.#greet(message);
        break;
      case "refs":
        this.#offerRefs();
        break;
      case "stored":
        this.#confirm();
        break;
      case "received":
        this.device?.waiting.delete(String(message.id));
        break;
      case "link_code":
        this.#answer(message.question, () => this.#giveLinkCode(String(message.phone)));
        break;
      case "logout":
        this.device?.owner.forget(this.device);
        this.#answer(message.question, () => true);
        break;
    }
    this.#whatsapp.changed();
  }

  #greet(message: object): void {
    const hello = message as Hello;
    this.#hello = hello;
    const device = hello.device && this.#whatsapp.ownerOf(hello.device)?.deviceWith(hello.device, hello.staticKey);
    if (!hello.device) this.#offerRefs();
    else if (device) this.#logIn(device);
    else this.#send({ type: "unknown_device" });
  }

  #offerRefs(): void {
    this.refs = Array.from({ length: refsPerRound }, () => `2@${randomBytes(32).toString("base64url")}`);
    this.#send({ type: "refs", refs: this.refs, lifeMs: this.#whatsapp.refLifeMs });
  }

  #confirm(): void {
    const { device, done } = this.#pairing ?? {};
    this.#pairing = undefined;
    if (!device) return;
    device.owner.link(device);
    this.#logIn(device);
    done?.();
  }

  #logIn(device: WebDevice): void {
    this.device = device;
    device.page = this;
    const { jid, lid, name } = device.owner;
    const { syncMs, syncsTwice } = this.#whatsapp;
    this.#send({ type: "login", me: jid, lid, name, syncMs, syncsTwice, offline: [...device.waiting.values()] });
  }

  #giveLinkCode(phone: string): string {
    const { linkCodeRefusal } = this.#whatsapp;
    if (linkCodeRefusal !== undefined) throw new Error(linkCodeRefusal);
    const code = Array.from({ length: 8 }, () => codeAlphabet[randomInt(codeAlphabet.length)]).join("");
    this.linkCode = { phone, code };
    return code;
  }

  #answer(answerTo: number | undefined, work: () => unknown): void {
    try {
      this.#send({ answerTo, value: work() });
    } catch (error) {
      this.#send({ answerTo, error: error instanceof Error ? error.message : String(error) });
    }
  }

  #send(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }
}
