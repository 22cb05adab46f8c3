import { randomBytes, randomInt } from "node:crypto";
import type { WebSocket } from "ws";
import { routeMessage, type SentWebMessage, type WebReceipt } from "./sent-messages.ts";
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

const later = (delayMs: number, work: () => void): void => {
  if (delayMs > 0) setTimeout(work, delayMs).unref();
  else work();
};

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

  deliverReceipt(receipt: WebReceipt): void {
    this.#send({ type: "receipt", receipt });
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
      case "receipt_taken":
        this.device?.receipts.delete(String(message.key));
        break;
      case "send":
        this.#takeSent(message.question, message.message as SentWebMessage);
        break;
      case "seen":
        this.device?.owner.markSeen(String(message.chat));
        break;
      case "typing":
        this.device?.owner.typing.push({ chat: String(message.chat), isTyping: message.isTyping === true });
        break;
      case "exists":
        this.#answer(message.question, () => this.#whatsapp.accountNamed(String(message.id)));
        break;
      case "group":
        this.#answer(message.question, () => this.#membersOf(String(message.id)));
        break;
      case "preview":
        this.#answer(message.question, () => this.#whatsapp.titleOf(String(message.url)));
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
    const { syncMs, syncsTwice, chatsByLid, sendsPending } = this.#whatsapp;
    const left = { offline: [...device.waiting.values()], receipts: [...device.receipts.values()] };
    this.#send({ type: "login", me: jid, lid, name, syncMs, syncsTwice, chatsByLid, sendsPending, ...left });
  }

  /** Returns the ids of a group's members; null unless the page's account is one. */
  #membersOf(group: string): string[] | null {
    const members = this.#whatsapp.groups.get(group) ?? [];
    const isMember = members.some((member) => member === this.device?.owner);
    return isMember ? members.map(({ jid }) => jid) : null;
  }

  /** Answers a message as the test has it, and delivers it unless it is refused. */
  #takeSent(question: number | undefined, message: SentWebMessage): void {
    const { device } = this;
    if (!device) return;
    device.sent.push(message.id);
    const answer = this.#whatsapp.answerTo(message);
    if (answer === "lost") return;
    const { delayMs = 0, error } = answer === "none" ? {} : answer;
    const value = error === undefined ? { t: Math.floor(Date.now() / 1_000) } : { error };
    if (answer !== "none") later(delayMs, () => this.#answer(question, () => value));
    // The answer goes first, as with the real server.
    if (error === undefined) later(delayMs, () => routeMessage(this.#whatsapp, device, message));
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
