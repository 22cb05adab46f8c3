/** A linked device as WhatsApp's servers know it: its credential, its keys and its offline queue. */
import type { Connection } from "./connection.ts";
import type { DeviceKeys } from "./key-bundle.ts";
import { Ledger } from "./ledger.ts";
import type { Phone } from "./phone.ts";
import type { BinaryNode } from "./stanza.ts";

/** A message on its way to a device, stored until the device acknowledges it. */
export interface StoredMessage {
  readonly node: BinaryNode;
  /** Answers a retry receipt: encrypts the message anew, or asks its sender to. */
  readonly retry: (receipt: BinaryNode) => Promise<void>;
}

/** `<failure>` with which a login is refused. */
export interface LoginRefusal {
  readonly reason: number | undefined;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** A companion device of a phone. Stays readable after it was unlinked. */
export class LinkedDevice {
  readonly phone: Phone;
  /** Number of the device within the account, never 0 (the phone) nor 99 (which Baileys reads as "hosted"). */
  readonly id: number;
  /** Key index of its signed identity. */
  readonly keyIndex: number;
  /** Noise key with which it must log in. */
  readonly noiseKey: Buffer;
  readonly keys: DeviceKeys;
  readonly ledger = new Ledger();
  /** Messages without acknowledgement, by id, in the order of sending. */
  readonly stored = new Map<string, StoredMessage>();
  /** Receipts for messages that it sent, until it acknowledges them. */
  readonly receipts = new Map<string, BinaryNode>();
  /** Connection of the login, if the device is online. */
  connection: Connection | undefined;
  /** True if the offline queue was flushed on this connection, so that new messages go out at once. */
  active = false;
  /** False after the phone unlinked it or it logged out. */
  linked = true;
  /** Refusal of the next login only. */
  nextLoginRefusal: LoginRefusal | undefined;

  constructor(phone: Phone, id: number, noiseKey: Buffer, keys: DeviceKeys) {
    this.phone = phone;
    this.id = id;
    this.keyIndex = id;
    this.noiseKey = noiseKey;
    this.keys = keys;
  }

  get jid(): string {
    return `${this.phone.number}:${this.id}@s.whatsapp.net`;
  }

  get lid(): string {
    return `${this.phone.lidUser}:${this.id}@lid`;
  }

  /** Returns true if the device is logged in and has received its offline queue. */
  get online(): boolean {
    return this.active && this.connection?.isOpen === true;
  }

  /** Makes the next login fail with `<failure reason="…">`. */
  refuseNextLogin(reason?: number, attributes?: Readonly<Record<string, string>>): void {
    this.nextLoginRefusal = attributes ? { reason, attributes } : { reason };
  }

  /** Stores a message for the device and sends it at once if the device is online. */
  deliver(message: StoredMessage): void {
    this.stored.set(message.node.attrs.id ?? "", message);
    if (this.online) this.connection?.send(message.node);
  }
}
