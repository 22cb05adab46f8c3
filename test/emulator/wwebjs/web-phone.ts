import { randomBytes } from "node:crypto";
import type { PageLink } from "./page-link.ts";
import { receiptAcks, type SentWebMessage, type ShownMessage, type WebReceipt } from "./sent-messages.ts";
import type { WhatsAppWeb } from "./whatsapp-web.ts";

/** A text as the page receives it. Ids are chat ids. */
export interface WebMessage {
  readonly id: string;
  readonly fromMe: boolean;
  readonly chat: string;
  readonly from: string;
  readonly to: string;
  readonly body: string;
  readonly t: number;
  /** Author within a group. */
  readonly author?: string | undefined;
  /** LID and number that the page learns to be one account's. */
  readonly pair?: readonly [lid: string, number: string] | undefined;
  /** True if the page cannot decrypt it. It is confirmed all the same, and sent again later. */
  readonly isUndecrypted?: boolean;
  /** Its file, with the text as its caption. */
  readonly file?: WebFile;
  /** What it does to another message, if it is not a text. */
  readonly change?: WebChange;
}

/** A file of a message, which is under its path among the uploads. */
export interface WebFile {
  readonly type: "image" | "video" | "audio" | "ptt" | "document" | "sticker";
  readonly mimetype: string;
  readonly filename?: string;
  readonly directPath: string;
  readonly size: number;
}

/** A reaction to a message, its new text, or its deletion. */
export interface WebChange {
  readonly kind: "reaction" | "edit" | "revoke";
  /** The changed message, from the point of view of the page that gets this. */
  readonly target: { readonly id: string; readonly fromMe: boolean };
  readonly text: string;
}

/** Deviations from the usual text, which is addressed by number, sent now, and can be decrypted. */
export interface WebAddressing {
  /** Id by which the sender is named, the number by default. */
  readonly by?: "lid" | "number";
  /** True if the page learns that the two ids belong to one account. */
  readonly tellsPair?: boolean;
  /** Group that the text is sent to. */
  readonly group?: string;
  /** Send time (Unix s), now by default. */
  readonly t?: number;
  /** True if the recipient cannot decrypt the text until `sendAgain`. */
  readonly isUndecrypted?: boolean;
  readonly file?: WebFile;
}

/** A browser linked to an account. */
export interface WebDevice {
  readonly owner: WebPhone;
  /** The owner, under the name that the phones' control uses. */
  readonly phone: WebPhone;
  readonly jid: string;
  readonly staticKey: string;
  /** Page on which it is logged in. */
  page: PageLink | undefined;
  /** Unconfirmed messages. */
  readonly waiting: Map<string, WebMessage>;
  /** Unconfirmed receipts. */
  readonly receipts: Map<string, WebReceipt>;
  /** Ids of all messages that it has sent, repeats included. */
  readonly sent: string[];
}

/** An account and its phone. Created by `WhatsAppWeb.phone()`. */
export class WebPhone {
  readonly number: string;
  readonly name: string;
  /** False if the senders of messages get no delivery receipts. */
  confirmsDelivery = true;
  /** Messages that the phone shows, in order. It drops repeats by their id, as WhatsApp's clients do. */
  readonly shown: ShownMessage[] = [];
  /** Ids of the repeats that were dropped. */
  readonly repeats: string[] = [];
  /** Times that devices of the account showed or hid that it is typing. */
  readonly typing: { readonly chat: string; readonly isTyping: boolean }[] = [];
  /** Chats of the messages that came and are not read yet, by message id. */
  readonly unread = new Map<string, string>();
  readonly #whatsapp: WhatsAppWeb;
  readonly #devices = new Map<string, WebDevice>();
  /** Sends the texts again that recipients could not decrypt, by message id. */
  readonly #undecrypted = new Map<string, () => void>();
  readonly #taken = new Set<ShownMessage>();
  #nextDeviceId = 1;

  constructor(whatsapp: WhatsAppWeb, number: string, name: string) {
    this.#whatsapp = whatsapp;
    this.number = number;
    this.name = name;
  }

  /** Chat id of the account. */
  get jid(): string {
    return `${this.number}@c.us`;
  }

  /** Id of the account without its number. */
  get lid(): string {
    return `1${this.number.padStart(15, "0")}@lid`;
  }

  /** Devices linked now. */
  get devices(): readonly WebDevice[] {
    return [...this.#devices.values()];
  }

  /** Returns the page of the only logged-in device; throws if there is none. */
  get page(): PageLink {
    const page = this.devices.find((device) => device.page)?.page;
    if (!page) throw new Error(`no page is logged in as ${this.number}`);
    return page;
  }

  /** Scans a QR code. Resolves when the device is linked and has its login on disk. */
  async scan(qrText: string): Promise<WebDevice> {
    const parts = qrText.split(",");
    const page = this.#whatsapp.pages.find((one) => one.shows(parts));
    if (!page) throw new Error("the QR code is no longer valid");
    return this.#pair(page);
  }

  /** Types a pairing code. Rejects with "wrong code", after which the page still accepts the right one. */
  async enterCode(code: string): Promise<WebDevice> {
    const typed = code.replace("-", "").toUpperCase();
    const page = this.#whatsapp.pages.find(
      ({ linkCode }) => linkCode?.phone === this.number && linkCode.code === typed,
    );
    if (!page) throw new Error("wrong code");
    return this.#pair(page);
  }

  /** Removes one device, or all. An offline page learns of it at its next login. */
  async unlink(device?: WebDevice): Promise<void> {
    for (const one of device ? [device] : this.devices) {
      this.forget(one);
      one.page?.unlink();
    }
    this.#whatsapp.changed();
  }

  /** Sends a text and returns its message id. Offline devices get it at their next login. */
  async sendTextTo(to: WebPhone | string, text: string, addressing: WebAddressing = {}): Promise<string> {
    const recipient = typeof to === "string" ? this.#whatsapp.phone(to) : to;
    const { by = "number", tellsPair, group, t = Math.floor(Date.now() / 1_000), isUndecrypted, file } = addressing;
    const sender = by === "lid" ? this.lid : this.jid;
    const common = {
      id: `3EB0${randomBytes(9).toString("hex").toUpperCase()}`,
      from: this.jid,
      to: recipient.jid,
      body: text,
      t,
      ...(file && { file }),
    };
    const chat = by === "lid" ? recipient.lid : recipient.jid;
    const pairOf = (one: WebPhone) => (tellsPair ? ([one.lid, one.jid] as const) : undefined);
    this.#deliver({ ...common, to: chat, fromMe: true, chat, pair: pairOf(recipient) });
    const inGroup = group === undefined ? {} : { from: group, chat: group, author: sender };
    const received = { ...common, fromMe: false, from: sender, chat: sender, ...inGroup, pair: pairOf(this) };
    if (recipient !== this) recipient.unread.set(common.id, received.chat);
    if (isUndecrypted) this.#undecrypted.set(common.id, () => recipient.#deliver(received));
    if (recipient !== this) recipient.#deliver(isUndecrypted ? { ...received, body: "", isUndecrypted } : received);
    return common.id;
  }

  /** Sends a file and returns its message id. */
  sendFileTo(to: WebPhone, content: Buffer, file: Omit<WebFile, "directPath" | "size">, caption = ""): Promise<string> {
    const directPath = this.#whatsapp.addUpload(content);
    return this.sendTextTo(to, caption, { file: { ...file, directPath, size: content.length } });
  }

  /** Sends a text again that the recipient could not decrypt. */
  sendAgain(id: string): void {
    this.#undecrypted.get(id)?.();
    this.#undecrypted.delete(id);
  }

  /** Sends a message that changes another one, which this account wrote if `fromMe`; returns its id. */
  async change(to: WebPhone, { target, ...change }: WebChange): Promise<string> {
    const id = `3EB0${randomBytes(9).toString("hex").toUpperCase()}`;
    const common = { id, from: this.jid, to: to.jid, body: "", t: Math.floor(Date.now() / 1_000) };
    const other = { id: target.id, fromMe: !target.fromMe };
    this.#deliver({ ...common, fromMe: true, chat: to.jid, change: { ...change, target } });
    to.#deliver({ ...common, fromMe: false, chat: this.jid, change: { ...change, target: other } });
    return id;
  }

  /** Tells the sender that messages were delivered, read or played, in a group as its member. */
  confirm(
    sender: WebPhone,
    ids: readonly string[],
    { type = "", group }: { type?: string; group?: string } = {},
  ): void {
    for (const device of sender.devices) {
      for (const id of ids.filter((one) => device.sent.includes(one))) {
        const ack = receiptAcks[type] ?? receiptAcks[""];
        const receipt = { key: `${id} ${ack} ${this.jid}`, id, ack, ...(group && { participant: this.jid }) };
        device.receipts.set(receipt.key, receipt);
        device.page?.deliverReceipt(receipt);
      }
    }
  }

  /** Shows a message, unless it is shown already, and delivers it to the account's devices. Returns false for a repeat. */
  receive(shown: ShownMessage, message: WebMessage | undefined): boolean {
    const isRepeat = this.shown.some(({ id, from }) => id === shown.id && from === shown.from);
    if (isRepeat) this.repeats.push(shown.id);
    else this.shown.push(shown);
    if (!isRepeat && message) this.#deliver(message);
    this.#whatsapp.changed();
    return !isRepeat;
  }

  /** Gives the account's other devices a message that one of them has sent. */
  copySent({ mentions: _, quoted: __, media: ___, ...message }: SentWebMessage, sender: WebDevice): void {
    for (const device of this.devices) if (device !== sender) deliverTo(device, message);
  }

  /** Resolves with the next matching message that the phone shows or has shown, each once. */
  async nextMessage(matches: (message: ShownMessage) => boolean = () => true): Promise<ShownMessage> {
    const find = () => this.shown.find((one) => !this.#taken.has(one) && matches(one));
    await this.#whatsapp.until(() => find() !== undefined);
    const found = find();
    if (!found) throw new Error("unreachable: the wait ended without a message");
    this.#taken.add(found);
    return found;
  }

  /** Marks the messages of a chat as read. Called for pages. */
  markSeen(chat: string): void {
    const ids = [chat, this.#whatsapp.named(chat)?.jid, this.#whatsapp.named(chat)?.lid];
    for (const [id, from] of this.unread) if (ids.includes(from)) this.unread.delete(id);
  }

  /** Returns the device with this id if the key is its own. Called for pages. */
  deviceWith(jid: string, staticKey: string): WebDevice | undefined {
    const device = this.#devices.get(jid);
    return device?.staticKey === staticKey ? device : undefined;
  }

  /** Adds a device to the account. Called for pages. */
  link(device: WebDevice): void {
    this.#devices.set(device.jid, device);
  }

  /** Removes a device from the account. Called for pages. */
  forget(device: WebDevice): void {
    this.#devices.delete(device.jid);
  }

  async #pair(page: PageLink): Promise<WebDevice> {
    const jid = `${this.number}:${this.#nextDeviceId++}@s.whatsapp.net`;
    const { staticKey } = page;
    const empty = { page: undefined, waiting: new Map(), receipts: new Map(), sent: [] };
    const device: WebDevice = { owner: this, phone: this, jid, staticKey, ...empty };
    await page.pair(device);
    return device;
  }

  #deliver(message: WebMessage): void {
    for (const device of this.devices) deliverTo(device, message);
  }
}

function deliverTo(device: WebDevice, message: WebMessage): void {
  device.waiting.set(message.id, message);
  device.page?.deliver(message);
}
