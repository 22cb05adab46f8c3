import type { BaileysEventMap, BinaryNode } from "@whiskeysockets/baileys";
import { chatId, isLid, isPerson, type Pair, type Person, pairOf } from "../engine/chat-id.ts";

/** Attributes with a person's other id, by the attribute that names the person (Baileys, extractAddressingContext; whatsmeow, parseMessageSource). */
const senderAlternates = ["participant_pn", "participant_lid", "sender_pn", "sender_lid"];
const recipientAlternates = ["recipient_pn", "recipient_lid", "peer_recipient_pn", "peer_recipient_lid"];
/** The same for people in lists, such as a group's participants, and for the callers in `<call>`. */
const listedAlternates = ["phone_number", "lid", "pn_jid"];
const callerAlternates = ["caller_pn", "caller_lid"];
/** Deep enough for `<notification><add><participant/>`. */
const maxDepth = 3;

/** Returns the pairs of LID and number in a stanza. */
export function pairsIn({ attrs, content }: BinaryNode, depth = 0): Pair[] {
  const pairs = [
    ...alternatesOf(attrs, attrs.participant ?? attrs.from, senderAlternates),
    ...alternatesOf(attrs, attrs.recipient, recipientAlternates),
    ...alternatesOf(attrs, attrs.jid, listedAlternates),
    ...alternatesOf(attrs, attrs["call-creator"] ?? attrs.from, callerAlternates),
  ];
  if (depth < maxDepth && Array.isArray(content)) for (const node of content) pairs.push(...pairsIn(node, depth + 1));
  return pairs;
}

const alternatesOf = (attrs: BinaryNode["attrs"], id: string | undefined, names: readonly string[]): Pair[] =>
  names.flatMap((name) => pairOf(id, attrs[name]) ?? []);

/**
 * Puts the recipient's other id where Baileys looks for it in a message from another device of the account, and removes the account's
 * own ids from there. Baileys would store `sender_pn` and `sender_lid` as the recipient's ids (its handleMessage).
 */
export function alignOwnMessage({ attrs }: BinaryNode, me: Person): void {
  const { from, recipient } = attrs;
  if (!from || !recipient || !isPerson(chatId(recipient))) return;
  if (![me.id, me.lid].includes(chatId(from))) return;
  const mode = isLid(chatId(recipient)) ? "lid" : "pn";
  const other = alternatesOf(attrs, recipient, recipientAlternates)[0];
  for (const name of [...senderAlternates, ...recipientAlternates]) delete attrs[name];
  attrs.addressing_mode = mode;
  if (other && mode === "lid") attrs.peer_recipient_pn = jidOf(other.number);
  if (other && mode === "pn") attrs.peer_recipient_lid = other.lid;
}

/** Returns a chat id as WhatsApp writes it. */
export const jidOf = (id: string): string => id.replace(/@c\.us$/, "@s.whatsapp.net");

/** Returns the pairs in Baileys' events about contacts, chats and groups' participants. */
export function pairsInReports(reports: Partial<BaileysEventMap>): Pair[] {
  const history = reports["messaging-history.set"];
  const contacts = [
    ...(reports["contacts.upsert"] ?? []),
    ...(reports["contacts.update"] ?? []),
    ...(history?.contacts ?? []),
    ...[...(reports["groups.upsert"] ?? []), ...(reports["groups.update"] ?? [])].flatMap(
      ({ participants }) => participants ?? [],
    ),
  ];
  const chats = [...(reports["chats.upsert"] ?? []), ...(reports["chats.update"] ?? []), ...(history?.chats ?? [])];
  return [
    ...contacts.flatMap(({ id, lid, phoneNumber }) => [
      pairOf(id, phoneNumber),
      pairOf(id, lid),
      pairOf(lid, phoneNumber),
    ]),
    ...chats.flatMap(({ id, lidJid, pnJid }) => [pairOf(id, pnJid), pairOf(id, lidJid)]),
  ].flatMap((pair) => pair ?? []);
}
