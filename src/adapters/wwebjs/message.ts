import { create, type JsonObject } from "@bufbuild/protobuf";
import {
  MessagePayload_Ack as Ack,
  type MessagePayload,
  MessagePayload_ReplyToSchema,
  MessagePayloadSchema,
} from "../../../gen/sessiond/v1/event_pb.js";

/**
 * The types of message that people send each other (whatsapp-web.js, MessageTypes, and the page's own names). Whatever is not
 * listed, new kinds of protocol messages included, is no message: reactions, votes, calls and notices are other events.
 */
const userTypes = new Set([
  "chat",
  "audio",
  "ptt",
  "image",
  "album",
  "video",
  "ptv",
  "document",
  "sticker",
  "sticker-pack",
  "location",
  "vcard",
  "multi_vcard",
  "order",
  "product",
  "groups_v4_invite",
  "list",
  "list_response",
  "buttons_response",
  "payment",
  "hsm",
  "interactive",
  "native_flow",
  "oversized",
  "template_button_reply",
  "poll_creation",
  "event_creation",
  "scheduled_event_creation",
]);
const mediaTypes = new Set(["audio", "ptt", "image", "video", "ptv", "document", "sticker"]);

/** Keys of what is encrypted elsewhere, and thumbnails' bytes, which can be large: neither is for events. */
const withheld = new Set(["mediaKey", "messageSecret", "body64", "preview"]);

/** The message as an event, or undefined if it is none that a user wrote. `me`: the account's chat id. */
export function messagePayload(data: object, me: string): MessagePayload | undefined {
  const raw = jsonObject(data);
  const key = objectOf(raw.id);
  const chat = idOf(key.remote);
  const type = textOf(raw.type);
  if (!userTypes.has(type) || !chat || typeof key.id !== "string") return undefined;
  const fromMe = key.fromMe === true;
  const author = isDirect(chat) ? "" : idOf(raw.author) || idOf(key.participant);
  const hasMedia = mediaTypes.has(type);
  const text = hasMedia ? raw.caption : raw.body || raw.pollName || raw.eventName || raw.caption;
  return create(MessagePayloadSchema, {
    id: [String(fromMe), chat, key.id, ...(author ? [author] : [])].join("_"),
    timestamp: typeof raw.t === "number" ? Math.max(0, Math.floor(raw.t)) : 0,
    from: fromMe ? me : chat,
    fromMe,
    to: fromMe ? chat : me,
    ...(author && { participant: author }),
    // A contact's card is its whole text.
    body: type.endsWith("vcard") ? textOf(raw.vcardFormattedName) : textOf(text),
    hasMedia,
    ack: typeof raw.ack === "number" ? Math.min(Math.max(raw.ack, Ack.ERROR), Ack.PLAYED) : Ack.DEVICE,
    vCards: vCardsOf(raw, type),
    ...replyTo(raw),
    data: raw,
  });
}

type Json = JsonObject[string];

const objectOf = (value: Json | undefined): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
const textOf = (value: Json | undefined): string => (typeof value === "string" ? value : "");
const isDirect = (chat: string) => chat.endsWith("@c.us") || chat.endsWith("@lid");

/** A WhatsApp id as events show it: without the device, phone numbers at c.us. */
export function chatId(serialized: string): string {
  const [user = "", server] = serialized.split("@");
  if (!server) return serialized;
  return `${user.split(":")[0]}@${server === "s.whatsapp.net" ? "c.us" : server}`;
}

/** The page has ids as texts and as objects. */
function idOf(value: Json | undefined): string {
  return chatId(typeof value === "string" ? value : textOf(objectOf(value)._serialized));
}

function vCardsOf(raw: JsonObject, type: string): string[] {
  if (type === "vcard") return [textOf(raw.body)];
  return Array.isArray(raw.vcardList) ? raw.vcardList.map((card) => textOf(objectOf(card).vcard)) : [];
}

function replyTo(raw: JsonObject) {
  const id = textOf(raw.quotedStanzaID);
  if (!id) return {};
  const quoted = objectOf(raw.quotedMsg);
  const participant = idOf(raw.quotedParticipant);
  const body = textOf(quoted.caption) || (mediaTypes.has(textOf(quoted.type)) ? "" : textOf(quoted.body));
  return { replyTo: create(MessagePayload_ReplyToSchema, { id, participant, body }) };
}

/** The library hands on what came through the DevTools protocol: JSON, but for what is not to be passed on. */
const jsonObject = (value: object): JsonObject =>
  JSON.parse(JSON.stringify(value, (key, item) => (withheld.has(key) ? undefined : item)));
