/** Messages between phones and linked devices, encrypted and acknowledged as WhatsApp does. */
import { randomBytes } from "node:crypto";
import { jidDecode, proto } from "@whiskeysockets/baileys";
import type { LinkedDevice } from "./device.ts";
import type { Group } from "./groups.ts";
import type { KeyBundle } from "./key-bundle.ts";
import type { Phone } from "./phone.ts";
import { deliverReceipt } from "./receipts.ts";
import type { Ciphertext } from "./signal-peer.ts";
import { type BinaryNode, child, childrenOf, stanza, unixTime } from "./stanza.ts";
import type { WhatsApp } from "./whatsapp.ts";

const fewPreKeys = 5;

/** Attributes of a `<message>` that replace the usual ones; undefined omits one. */
export type Envelope = Readonly<Record<string, string | undefined>>;

/** Deviations from the usual addressing, which is by number with the LID beside it. */
export interface Addressing {
  /**
   * For the recipient's devices: for example `{ from: lid, sender_lid: undefined }`, or a group's id and a participant.
   */
  readonly envelope?: Envelope;
  /** For the sender's own devices. */
  readonly copyEnvelope?: Envelope;
  /** `destinationJid` in the copies for the sender's own devices. */
  readonly destination?: string;
  /** Context of the text, such as the message it answers. */
  readonly contextInfo?: proto.IContextInfo;
}

/** Sends a text from a phone to an account's phone and devices, with a copy to the sender's own devices. */
export async function sendText(
  whatsapp: WhatsApp,
  from: Phone,
  to: Phone,
  text: string,
  addressing: Addressing = {},
): Promise<string> {
  const { contextInfo } = addressing;
  const content = contextInfo ? { extendedTextMessage: { text, contextInfo } } : { conversation: text };
  return sendContent(whatsapp, from, to, content, addressing);
}

/** As `sendText`, for content of any kind, such as a reaction. */
export async function sendContent(
  whatsapp: WhatsApp,
  from: Phone,
  to: Phone,
  content: proto.IMessage,
  { envelope, copyEnvelope, destination }: Addressing = {},
): Promise<string> {
  const id = newMessageId();
  const text = content.conversation ?? content.extendedTextMessage?.text ?? undefined;
  const attributes = { id, type: "text", notify: from.name };
  if (to !== from) {
    to.receive({ id, from: from.number, to: to.number, text, content });
    for (const device of to.devices)
      await sendFromPhone(whatsapp, from, device, content, { ...attributes, ...envelope });
  }
  const copy = { deviceSentMessage: { destinationJid: destination ?? to.jid, message: content } };
  for (const device of from.devices) {
    await sendFromPhone(whatsapp, from, device, copy, { ...attributes, recipient: to.jid, ...copyEnvelope });
  }
  return id;
}

/** Encrypts a message from a phone for one device, then delivers it or stores it until the device is online. */
export async function sendFromPhone(
  whatsapp: WhatsApp,
  from: Phone,
  device: LinkedDevice,
  content: proto.IMessage,
  attributes: Envelope,
): Promise<void> {
  const plaintext = pad(proto.Message.encode(content).finish());
  const send = async (count?: number): Promise<void> => {
    const { type, body } = await from.signal.encrypt(addressOf(device), plaintext, () => takeBundle(device));
    const enc = stanza("enc", { v: 2, type, count }, body);
    const node = stanza("message", { from: from.jid, sender_lid: from.lid, t: unixTime(), ...attributes }, [enc]);
    device.deliver({ node, retry });
    whatsapp.changed();
  };
  const retry = async (receipt: BinaryNode): Promise<void> => {
    from.signal.closeSession(addressOf(device));
    await send(Number(child(receipt, "retry")?.attrs.count ?? 1));
  };
  await send();
}

/** Sends a device a message whose text only its phone has. Baileys asks the phone for it two seconds later. */
export function sendUnavailable(from: Phone, device: LinkedDevice): void {
  const attributes = { id: newMessageId(), type: "text", from: from.jid, sender_lid: from.lid, t: unixTime() };
  device.deliver({ node: stanza("message", attributes, [stanza("unavailable")]), retry: async () => {} });
}

/** Takes one of a device's key bundles, and tells the device when few are left. */
export function takeBundle(device: LinkedDevice): KeyBundle {
  const bundle = device.keys.take();
  const { preKeyCount } = device.keys;
  if (device.online && preKeyCount < fewPreKeys) {
    const attributes = { type: "encrypt", from: "@s.whatsapp.net", id: newMessageId(), t: unixTime() };
    device.connection?.send(stanza("notification", attributes, [stanza("count", { value: preKeyCount })]));
  }
  return bundle;
}

/** Sends a device its offline queue, and from then on new messages at once. */
export function flushStored(device: LinkedDevice): void {
  const { connection, stored, receipts } = device;
  const counts = { count: stored.size, message: stored.size, receipt: receipts.size, notification: 0, appdata: 0 };
  connection?.send(stanza("ib", { from: "@s.whatsapp.net" }, [stanza("offline_preview", counts)]));
  for (const { node } of stored.values()) {
    connection?.send({ ...node, attrs: { ...node.attrs, offline: "0" } });
  }
  for (const node of receipts.values()) connection?.send({ ...node, attrs: { ...node.attrs, offline: "0" } });
  connection?.send(stanza("ib", { from: "@s.whatsapp.net" }, [stanza("offline", { count: stored.size })]));
  device.active = true;
}

/** Acknowledges a message from a device and forwards each part to the phone or device it is encrypted for. */
export function routeMessage(whatsapp: WhatsApp, device: LinkedDevice, node: BinaryNode): void {
  const { id = "", to = "" } = node.attrs;
  const { connection } = device;
  device.ledger.sent.push(id);
  whatsapp.changed();
  const answer = whatsapp.answerTo(node);
  const { delayMs = whatsapp.ackDelayMs, error } = answer === "none" ? {} : answer;
  const ack = stanza("ack", { class: "message", id, from: to, t: unixTime(), error });
  if (answer !== "none") connection?.later(delayMs, () => connection.send(ack));
  if (error !== undefined) return;
  const group = whatsapp.groups.get(to);
  if (group) {
    routeToGroup(whatsapp, device, group, node);
    return;
  }
  for (const [jid, enc] of encryptedParts(node)) {
    const phone = whatsapp.accountOf(jid);
    const deviceId = jidDecode(jid)?.device ?? 0;
    if (!phone) continue;
    if (deviceId === 0) void whatsapp.watch(receiveOnPhone(whatsapp, device, phone, node, enc));
    else forward(device, phone.device(deviceId), node, enc);
  }
}

/** Gives a message to each phone and linked device of a group, with the sender's key for those that it has sent one to. */
function routeToGroup(whatsapp: WhatsApp, from: LinkedDevice, group: Group, node: BinaryNode): void {
  const parts = encryptedParts(node);
  const shared = childrenOf(node).find(({ tag, attrs }) => tag === "enc" && attrs.type === "skmsg");
  for (const member of group.members) {
    const partOf = (deviceId: number) =>
      parts.find(([jid]) => whatsapp.accountOf(jid) === member && (jidDecode(jid)?.device ?? 0) === deviceId)?.[1];
    void whatsapp.watch(receiveInGroup(whatsapp, from, { group, member, node, own: partOf(0), shared }));
    for (const device of member.devices) {
      const own = partOf(device.id);
      if (device === from || (!own && !shared)) continue;
      const content = own ? [stanza("enc", { v: 2, type: own.type }, own.body)] : [];
      const sender = { from: group.id, participant: deviceJid(group, from), notify: from.phone.name };
      const identity = child(node, "device-identity");
      if (shared) content.push(shared);
      if (identity) content.push(identity);
      const attributes = { id: node.attrs.id, type: node.attrs.type, t: unixTime(), ...sender };
      device.deliver({
        node: stanza("message", { ...attributes, addressing_mode: group.addressing }, content),
        retry: async (receipt) => {
          const attrs = { ...receipt.attrs, from: group.id, participant: deviceJid(group, device) };
          from.connection?.send({ ...receipt, attrs });
        },
      });
    }
  }
}

/** A message to a group, as one member gets it. */
interface GroupDelivery {
  readonly group: Group;
  readonly member: Phone;
  readonly node: BinaryNode;
  /** The part that is encrypted for this member's phone alone: the sender's key, or the message itself when sent again. */
  readonly own: Ciphertext | undefined;
  /** The part that is encrypted with the sender's key. */
  readonly shared: BinaryNode | undefined;
}

async function receiveInGroup(
  whatsapp: WhatsApp,
  from: LinkedDevice,
  { group, member, node, own, shared }: GroupDelivery,
): Promise<void> {
  const { id = "" } = node.attrs;
  const sender = addressOf(from);
  let content: proto.IMessage | undefined;
  if (own) {
    const message = proto.Message.decode(unpad(await member.signal.decrypt(sender, own)));
    const key = message.senderKeyDistributionMessage?.axolotlSenderKeyDistributionMessage;
    if (key) await member.senderKeys.take(group.id, sender, key);
    content = message;
  }
  if (shared) {
    if (!(shared.content instanceof Uint8Array)) throw new Error("a message to a group has no content");
    content = proto.Message.decode(unpad(await member.senderKeys.decrypt(group.id, sender, shared.content)));
  }
  if (!content) return;
  const text = content.conversation ?? content.extendedTextMessage?.text ?? undefined;
  member.receive({ id, from: from.phone.number, to: group.id, text, content });
  if (member === from.phone || !member.confirmsDelivery) return;
  const attributes = { from: group.id, participant: group.jidOf(member) };
  deliverReceipt(from, [id], attributes, { delayMs: 2 * whatsapp.ackDelayMs });
}

const deviceJid = (group: Group, device: LinkedDevice): string =>
  group.addressing === "lid" ? device.lid : device.jid;

async function receiveOnPhone(
  whatsapp: WhatsApp,
  device: LinkedDevice,
  phone: Phone,
  node: BinaryNode,
  ciphertext: Ciphertext,
): Promise<void> {
  const { id = "", to = "", category } = node.attrs;
  const message = proto.Message.decode(unpad(await phone.signal.decrypt(addressOf(device), ciphertext)));
  if (category === "peer") {
    device.ledger.peerMessages += 1;
    whatsapp.changed();
    return;
  }
  const copied = message.deviceSentMessage;
  const recipient = phone === device.phone ? whatsapp.accountOf(copied?.destinationJid ?? to) : phone;
  const content: proto.IMessage = copied?.message ?? message;
  const text = content.conversation ?? content.extendedTextMessage?.text ?? undefined;
  phone.receive({ id, from: device.phone.number, to: recipient?.number ?? to, text, content });
  if (phone === device.phone || !phone.confirmsDelivery) return;
  deliverReceipt(device, [id], { from: to }, { delayMs: 2 * whatsapp.ackDelayMs });
}

function forward(from: LinkedDevice, to: LinkedDevice | undefined, node: BinaryNode, ciphertext: Ciphertext): void {
  if (!to) return;
  const { id, type, to: recipient } = node.attrs;
  const sender = { from: from.jid, sender_lid: from.phone.lid, notify: from.phone.name };
  const copy = to.phone === from.phone ? { recipient } : {};
  const content = [stanza("enc", { v: 2, type: ciphertext.type }, ciphertext.body)];
  const identity = child(node, "device-identity");
  if (identity) content.push(identity);
  to.deliver({
    node: stanza("message", { id, type, t: unixTime(), ...sender, ...copy }, content),
    retry: async (receipt) => {
      const { to: _, ...attributes } = receipt.attrs;
      from.connection?.send({ ...receipt, attrs: { ...attributes, from: to.jid } });
    },
  });
}

// Returns the encrypted parts. A message for several devices lists participants; one for a single device (peer, resent)
// has the enc itself.
function encryptedParts(node: BinaryNode): [jid: string, ciphertext: Ciphertext][] {
  const single = childrenOf(node).find(({ tag, attrs }) => tag === "enc" && attrs.type !== "skmsg");
  const parts: [string | undefined, BinaryNode | undefined][] = single
    ? [[node.attrs.participant ?? node.attrs.to, single]]
    : childrenOf(child(node, "participants")).map((to) => [to.attrs.jid, child(to, "enc")]);
  return parts.flatMap(([jid, enc]) => {
    const type = enc?.attrs.type;
    if (!jid || !(enc?.content instanceof Uint8Array) || (type !== "pkmsg" && type !== "msg")) return [];
    return [[jid, { type, body: Buffer.from(enc.content) }] as const satisfies [string, Ciphertext]];
  });
}

/** Returns a new message id in the form that phones use. */
export function newMessageId(): string {
  return randomBytes(16).toString("hex").toUpperCase();
}

function addressOf(device: LinkedDevice): string {
  return `${device.phone.number}:${device.id}`;
}

// Pads with 1 to 16 bytes, each with the padding's length as its value, as WhatsApp does.
function pad(plaintext: Uint8Array): Buffer {
  const length = ((randomBytes(1)[0] ?? 0) & 0x0f) + 1;
  return Buffer.concat([plaintext, Buffer.alloc(length, length)]);
}

function unpad(plaintext: Buffer): Buffer {
  return plaintext.subarray(0, plaintext.length - (plaintext.at(-1) ?? 0));
}
