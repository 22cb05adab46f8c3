/** Receipts and acks: from devices for messages they got, and from phones for messages that devices sent. */
import type { LinkedDevice } from "./device.ts";
import { reuploadNotification } from "./media.ts";
import { type BinaryNode, child, children, stanza, unixTime } from "./stanza.ts";
import type { WhatsApp } from "./whatsapp.ts";

/** Attributes of a receipt that replace the usual ones; undefined omits one. */
export interface ReceiptAttributes {
  readonly from: string;
  readonly participant?: string | undefined;
  /** Left out: delivered. */
  readonly type?: string | undefined;
}

/** Gives a device a receipt for messages that it sent. Without its ack the device gets the receipt again at its next login. */
export function deliverReceipt(
  device: LinkedDevice,
  [id = "", ...others]: readonly string[],
  attributes: ReceiptAttributes,
  { content = [], delayMs = 0 }: { readonly content?: readonly BinaryNode[]; readonly delayMs?: number } = {},
): void {
  const list = others.map((other) => stanza("item", { id: other }));
  const node = stanza("receipt", { id, t: unixTime(), ...attributes }, [
    ...(list.length > 0 ? [stanza("list", {}, list)] : []),
    ...content,
  ]);
  device.receipts.set(keyOf(id, attributes.type, attributes.participant ?? attributes.from), node);
  const { connection } = device;
  if (delayMs > 0) connection?.later(delayMs, () => connection.send(node));
  else if (device.online) connection?.send(node);
}

const keyOf = (id: string, type: string | undefined, person: string | undefined): string =>
  [id, type ?? "", person ?? ""].join(" ");

/** Records a device's receipt, then removes the message or sends it again if the receipt asks for that. */
export function takeReceipt(whatsapp: WhatsApp, device: LinkedDevice, node: BinaryNode): void {
  const { id = "", to, type, participant } = node.attrs;
  device.connection?.send(stanza("ack", { class: "receipt", id, from: to, type, participant }));
  const rmr = type === "server-error" ? child(node, "rmr") : undefined;
  if (rmr) {
    const answer = whatsapp.reuploads.get(id);
    if (answer) device.connection?.send(reuploadNotification(device.phone.jid, id, rmr, answer));
    return;
  }
  const ids = [id, ...children(child(node, "list"), "item").map((item) => item.attrs.id ?? "")];
  for (const messageId of ids) {
    device.ledger.addReceipt(messageId, type ?? "delivery");
    const message = device.stored.get(messageId);
    if (type === "retry") void whatsapp.watch(message?.retry(node));
    else device.stored.delete(messageId);
  }
  whatsapp.changed();
}

/** Records a device's `<ack>` of a message or a receipt. */
export function takeAck(whatsapp: WhatsApp, device: LinkedDevice, node: BinaryNode): void {
  const { id = "", error = "", type, participant, to } = node.attrs;
  if (node.attrs.class === "receipt") {
    device.receipts.delete(keyOf(id, type, participant ?? to));
    whatsapp.changed();
  }
  if (node.attrs.class !== "message") return;
  // Baileys refuses a message right after its retry receipt, while the new copy is under way.
  if (error !== "" && device.ledger.receipts.get(id)?.at(-1) === "retry") return;
  device.ledger.acks.set(id, error);
  device.stored.delete(id);
  whatsapp.changed();
}
