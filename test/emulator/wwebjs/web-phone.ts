import { randomBytes } from "node:crypto";
import type { PageLink } from "./page-link.ts";
import type { WhatsAppWeb } from "./whatsapp-web.ts";

/** A text as the page gets it; ids are chat ids. */
export interface WebMessage {
  readonly id: string;
  readonly fromMe: boolean;
  readonly chat: string;
  readonly from: string;
  readonly to: string;
  readonly body: string;
  readonly t: number;
  /** The author within a group. */
  readonly author?: string | undefined;
  /** Which LID and which number the page learns with it to be one account's. */
  readonly pair?: readonly [lid: string, number: string] | undefined;
}

/** How a text names its sender, where that is not by the number alone. */
export interface WebAddressing {
  /** By which of its ids the sender is named; the number by default. */
  readonly by?: "lid" | "number";
  /** Whether the page learns that the two ids are one account's. */
  readonly tellsPair?: boolean;
  /** The group it is sent to. */
  readonly group?: string;
}

/** A browser that is linked to an account. */
export interface WebDevice {
  readonly owner: WebPhone;
  /** The same as the owner, under the names the phones' control knows. */
  readonly phone: WebPhone;
  readonly jid: string;
  readonly staticKey: string;
  /** The page it is logged in on. */
  page: PageLink | undefined;
  /** Messages it has not confirmed. */
  readonly waiting: Map<string, WebMessage>;
}

/** An account and its phone. Get one from `WhatsAppWeb.phone()`. */
export class WebPhone {
  readonly number: string;
  readonly name: string;
  readonly #whatsapp: WhatsAppWeb;
  readonly #devices = new Map<string, WebDevice>();
  #nextDeviceId = 1;

  constructor(whatsapp: WhatsAppWeb, number: string, name: string) {
    this.#whatsapp = whatsapp;
    this.number = number;
    this.name = name;
  }

  /** The account's chat id. */
  get jid(): string {
    return `${this.number}@c.us`;
  }

  /** The account's id without its number. */
  get lid(): string {
    return `1${this.number.padStart(15, "0")}@lid`;
  }

  /** The devices linked now. */
  get devices(): readonly WebDevice[] {
    return [...this.#devices.values()];
  }

  /** The page of the one device that is logged in; throws if there is none. */
  get page(): PageLink {
    const page = this.devices.find((device) => device.page)?.page;
    if (!page) throw new Error(`no page is logged in as ${this.number}`);
    return page;
  }

  /** Scans a QR code and resolves when the device is linked and has its login on disk. */
  async scan(qrText: string): Promise<WebDevice> {
    const parts = qrText.split(",");
    const page = this.#whatsapp.pages.find((one) => one.shows(parts));
    if (!page) throw new Error("the QR code is no longer valid");
    return this.#pair(page);
  }

  /** Types a pairing code. Rejects with "wrong code", which leaves the page free to be given the right one. */
  async enterCode(code: string): Promise<WebDevice> {
    const typed = code.replace("-", "").toUpperCase();
    const page = this.#whatsapp.pages.find(
      ({ linkCode }) => linkCode?.phone === this.number && linkCode.code === typed,
    );
    if (!page) throw new Error("wrong code");
    return this.#pair(page);
  }

  /** Removes a device, or all. A page that is not connected learns of it at its next login. */
  async unlink(device?: WebDevice): Promise<void> {
    for (const one of device ? [device] : this.devices) {
      this.forget(one);
      one.page?.unlink();
    }
    this.#whatsapp.changed();
  }

  /** Sends a text and returns its message id. Devices that are not connected get it at their next login. */
  async sendTextTo(to: WebPhone | string, text: string, addressing: WebAddressing = {}): Promise<string> {
    const recipient = typeof to === "string" ? this.#whatsapp.phone(to) : to;
    const { by = "number", tellsPair, group } = addressing;
    const sender = by === "lid" ? this.lid : this.jid;
    const common = {
      id: `3EB0${randomBytes(9).toString("hex").toUpperCase()}`,
      from: this.jid,
      to: recipient.jid,
      body: text,
      t: Math.floor(Date.now() / 1000),
    };
    const chat = by === "lid" ? recipient.lid : recipient.jid;
    const pairOf = (one: WebPhone) => (tellsPair ? ([one.lid, one.jid] as const) : undefined);
    this.#deliver({ ...common, to: chat, fromMe: true, chat, pair: pairOf(recipient) });
    const inGroup = group === undefined ? {} : { from: group, chat: group, author: sender };
    const received = { ...common, fromMe: false, from: sender, chat: sender, ...inGroup, pair: pairOf(this) };
    if (recipient !== this) recipient.#deliver(received);
    return common.id;
  }

  /** For pages: the device with this id, if the key is its own. */
  deviceWith(jid: string, staticKey: string): WebDevice | undefined {
    const device = this.#devices.get(jid);
    return device?.staticKey === staticKey ? device : undefined;
  }

  /** For pages: makes a device part of the account. */
  link(device: WebDevice): void {
    this.#devices.set(device.jid, device);
  }

  /** For pages: the device is no longer part of the account. */
  forget(device: WebDevice): void {
    this.#devices.delete(device.jid);
  }

  async #pair(page: PageLink): Promise<WebDevice> {
    const jid = `${this.number}:${this.#nextDeviceId++}@s.whatsapp.net`;
    const { staticKey } = page;
    const device: WebDevice = { owner: this, phone: this, jid, staticKey, page: undefined, waiting: new Map() };
    await page.pair(device);
    return device;
  }

  #deliver(message: WebMessage): void {
    for (const device of this.devices) {
      device.waiting.set(message.id, message);
      device.page?.deliver(message);
    }
  }
}
