/** An emulated phone: one WhatsApp account with its identity key and its ends of conversations. */
import { randomInt } from "node:crypto";
import type { proto } from "@whiskeysockets/baileys";
import type { LinkedDevice, LoginRefusal } from "./device.ts";
import { AccountLimits } from "./limits.ts";
import { enterCode } from "./link-code.ts";
import { type Addressing, sendText } from "./messages.ts";
import { scanQr } from "./pairing.ts";
import { deliverReceipt, type ReceiptAttributes } from "./receipts.ts";
import { SenderKeys } from "./sender-keys.ts";
import { SignalPeer } from "./signal-peer.ts";
import { stanza, unixTime } from "./stanza.ts";
import type { WhatsApp } from "./whatsapp.ts";

/** A decrypted message that arrived on a phone. */
export interface PhoneMessage {
  readonly id: string;
  /** Number of the sending account; this phone's own if one of its devices sent the message. */
  readonly from: string;
  /** Number of the receiving account, or the id of the group. */
  readonly to: string;
  /** Text, if it is a text message. */
  readonly text: string | undefined;
  readonly content: proto.IMessage;
}

/** Names of a phone's account. */
export interface PhoneProfile {
  /** Push name, which contacts see. */
  readonly name?: string | undefined;
  /** Business name, for a business account. */
  readonly biz?: string | undefined;
}

/** An account and its phone. Created by `WhatsApp.phone()`. */
export class Phone {
  readonly number: string;
  readonly lidUser: string;
  readonly name: string;
  readonly biz: string | undefined;
  readonly signal: SignalPeer;
  readonly senderKeys = new SenderKeys();
  readonly limits = new AccountLimits();
  /** Raw id in the identities of this account's devices. */
  readonly rawId = randomInt(2 ** 31);
  /** True if a device's first login is followed by an app state key share and a history sync, as with a real phone. */
  sendsHistory = false;
  /** False if the senders of messages get no delivery receipts. */
  confirmsDelivery = true;
  /** Refusal of every login while it is set: a banned account. */
  loginRefusal: LoginRefusal | undefined;
  /** Messages that the phone shows, in order. It drops repeats by their id, as WhatsApp's clients do. */
  readonly shown: PhoneMessage[] = [];
  /** Ids of the repeats that were dropped. */
  readonly repeats: string[] = [];
  readonly #shownIds = new Set<string>();
  readonly #whatsapp: WhatsApp;
  readonly #devices = new Map<number, LinkedDevice>();
  readonly #inbox: PhoneMessage[] = [];
  #nextDeviceId = 1;

  constructor(whatsapp: WhatsApp, number: string, lidUser: string, profile: PhoneProfile) {
    this.#whatsapp = whatsapp;
    this.number = number;
    this.lidUser = lidUser;
    this.name = profile.name ?? `Phone ${number}`;
    this.biz = profile.biz;
    this.signal = new SignalPeer(number);
  }

  get jid(): string {
    return `${this.number}@s.whatsapp.net`;
  }

  get lid(): string {
    return `${this.lidUser}@lid`;
  }

  /** Devices linked now. */
  get devices(): readonly LinkedDevice[] {
    return [...this.#devices.values()];
  }

  /** Returns the linked device with this number. */
  device(id: number): LinkedDevice | undefined {
    return this.#devices.get(id);
  }

  /** Returns the number for a new device. Each pairing gets the next one, never 99. */
  reserveDeviceId(): number {
    const id = this.#nextDeviceId;
    this.#nextDeviceId += id === 98 ? 2 : 1;
    return id;
  }

  /** Adds a device to the account, after its pairing is verified. */
  link(device: LinkedDevice): void {
    this.#devices.set(device.id, device);
  }

  /** Scans a QR code (the exact text that Baileys shows) and resolves when the device is paired. */
  async scan(qrText: string): Promise<LinkedDevice> {
    return scanQr(this.#whatsapp, this, qrText);
  }

  /** Types a pairing code. Rejects with "wrong code", after which the client still accepts the right one. */
  async enterCode(code: string): Promise<LinkedDevice> {
    return enterCode(this.#whatsapp, this, code);
  }

  /** Removes one device, or all. A live connection gets 401 device_removed, the next login a failure 401. */
  async unlink(device?: LinkedDevice): Promise<void> {
    for (const one of device ? [device] : this.devices) {
      this.#devices.delete(one.id);
      one.linked = false;
      one.stored.clear();
      one.connection?.deviceRemoved();
    }
    this.#whatsapp.changed();
  }

  /** Bans the account: live connections and every login get `<failure reason="…">` until `unban`. */
  ban(reason = 403, attributes: Readonly<Record<string, string>> = {}): void {
    this.loginRefusal = { reason, attributes };
    for (const device of this.devices) device.connection?.failure(reason, attributes);
  }

  unban(): void {
    this.loginRefusal = undefined;
  }

  /** Sends a text and returns its message id. Linked devices that are offline get it at their next login. */
  async sendTextTo(to: Phone | string, text: string, addressing?: Addressing): Promise<string> {
    const recipient = typeof to === "string" ? this.#whatsapp.phone(to) : to;
    return sendText(this.#whatsapp, this, recipient, text, addressing);
  }

  /** Tells the sender that messages were read or played, or asks for them again ("retry"). `from`: this phone's id, or a group's. */
  confirm(sender: Phone, ids: readonly string[], attributes: Partial<ReceiptAttributes> = {}): void {
    const devices = sender.devices.filter(({ ledger }) => ids.some((id) => ledger.sent.includes(id)));
    const count = stanza("retry", { v: 1, count: 1, id: ids[0], t: unixTime() });
    const content = attributes.type === "retry" ? [count] : [];
    for (const device of devices) deliverReceipt(device, ids, { from: this.jid, ...attributes }, { content });
  }

  /** Resolves with the next matching message that arrives or has arrived here, and removes it. */
  async nextMessage(matches: (message: PhoneMessage) => boolean = () => true): Promise<PhoneMessage> {
    let taken: PhoneMessage | undefined;
    await this.#whatsapp.until(() => {
      const index = this.#inbox.findIndex(matches);
      if (index >= 0) [taken] = this.#inbox.splice(index, 1);
      return taken !== undefined;
    }, `a message for the phone ${this.number}`);
    if (!taken) throw new Error("unreachable: the wait ended without a message");
    return taken;
  }

  /** Adds a message to the inbox. */
  receive(message: PhoneMessage): void {
    const name = `${message.from} ${message.id}`;
    const repeated = this.#shownIds.has(name);
    this.#shownIds.add(name);
    if (repeated) this.repeats.push(message.id);
    else this.shown.push(message);
    if (!repeated) this.#inbox.push(message);
    this.#whatsapp.changed();
  }
}
