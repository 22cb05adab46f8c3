import { create, type JsonObject } from "@bufbuild/protobuf";
import {
  MessagePayload_Ack as Ack,
  type MessagePayload,
  MessagePayload_LocationSchema,
  MessagePayload_MediaSchema,
  MessagePayload_ReplyToSchema,
  MessagePayloadSchema,
} from "../../../gen/sessiond/v1/event_pb.js";
import { addressesOf } from "../engine/addresses.ts";
import { isPerson, type Person, personOf } from "../engine/chat-id.ts";

/**
 * The types that count as messages (whatsapp-web.js, MessageTypes, and the page's own names). Types that are not listed, such as
 * reactions, votes, calls and notices, are not reported as messages.
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

/** Fields left out of events: decryption keys, and thumbnails, which can be large. */
const withheld = new Set(["mediaKey", "messageSecret", "body64", "preview"]);

/** Returns the message as events show it; undefined if no user wrote it. `me`: the account. */
export function messagePayload(data: object, me: Person): MessagePayload | undefined {
  return "type" in data && userTypes.has(String(data.type)) ? payloadOf(jsonObject(data), me) : undefined;
}

/** Returns a message of any type as events show it; undefined if the page does not name it. */
export function payloadOf(raw: JsonObject, me: Person): MessagePayload | undefined {
  const key = objectOf(raw.id);
  const remote = idOf(key.remote);
  const type = textOf(raw.type);
  if (!remote || typeof key.id !== "string") return undefined;
  const fromMe = key.fromMe === true;
  // The page can have one of a person's ids in `remote` and the other in `to` or `from`.
  const chat = personOf(remote, idOf(fromMe ? raw.to : raw.from), me);
  const author = isPerson(chat.id) ? undefined : authorOf(raw, me);
  const hasMedia = mediaTypes.has(type);
  // The body of a place is a picture of its map.
  const text =
    type === "location" ? raw.loc : hasMedia ? raw.caption : raw.body || raw.pollName || raw.eventName || raw.caption;
  return create(MessagePayloadSchema, {
    ...addressesOf({ fromMe, key: key.id, chat, author, me }),
    timestamp: typeof raw.t === "number" ? Math.max(0, Math.floor(raw.t)) : 0,
    // The body of a contact is a whole vCard.
    body: type.endsWith("vcard") ? textOf(raw.vcardFormattedName) : textOf(text),
    hasMedia,
    ...(hasMedia && { media: mediaOf(raw) }),
    ack: typeof raw.ack === "number" ? Math.min(Math.max(raw.ack, Ack.ERROR), Ack.PLAYED) : Ack.DEVICE,
    vCards: vCardsOf(raw, type),
    ...(type === "location" && locationOf(raw)),
    ...replyTo(raw, me),
    data: raw,
  });
}

/** Returns the message's id in the page; empty if it has none. */
export function pageIdOf(data: object): string {
  const id = "id" in data && typeof data.id === "object" && data.id !== null ? data.id : {};
  return "_serialized" in id ? String(id._serialized) : "";
}

/** Returns WhatsApp's id of the message; empty if it has none. */
export function keyIdOf(data: object): string {
  const id = "id" in data && typeof data.id === "object" && data.id !== null ? data.id : {};
  return "id" in id ? String(id.id) : "";
}

/** Returns whether the page cannot decrypt the message yet. */
export const isUndecrypted = (data: object): boolean => "type" in data && data.type === "ciphertext";

type Json = JsonObject[string];

/** Returns a value that is an object; else one without fields. */
export const objectOf = (value: Json | undefined): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};

/** Returns a value that is a text; else an empty one. */
export const textOf = (value: Json | undefined): string => (typeof value === "string" ? value : "");

/** Returns an id that the page has as a string or as an object. */
export function idOf(value: Json | undefined): string {
  return typeof value === "string" ? value : textOf(objectOf(value)._serialized);
}

/** Returns the author of a message in a group or of a status update. */
function authorOf(raw: JsonObject, me: Person): Person | undefined {
  const [author, participant] = [idOf(raw.author), idOf(objectOf(raw.id).participant)];
  return author || participant ? personOf(author || participant, participant, me) : undefined;
}

const mediaOf = ({ mimetype, filename }: JsonObject) =>
  create(MessagePayload_MediaSchema, {
    mimetype: textOf(mimetype) || "application/octet-stream",
    filename: textOf(filename),
  });

const locationOf = ({ lat, lng, loc }: JsonObject) =>
  typeof lat === "number" && typeof lng === "number"
    ? { location: create(MessagePayload_LocationSchema, { latitude: lat, longitude: lng, description: textOf(loc) }) }
    : {};

function vCardsOf(raw: JsonObject, type: string): string[] {
  if (type === "vcard") return [textOf(raw.body)];
  return Array.isArray(raw.vcardList) ? raw.vcardList.map((card) => textOf(objectOf(card).vcard)) : [];
}

function replyTo(raw: JsonObject, me: Person) {
  const id = textOf(raw.quotedStanzaID);
  if (!id) return {};
  const quoted = objectOf(raw.quotedMsg);
  const author = personOf(idOf(raw.quotedParticipant), undefined, me);
  const hasMedia = mediaTypes.has(textOf(quoted.type));
  const body = textOf(quoted.caption) || (hasMedia ? "" : textOf(quoted.body));
  const names = { participant: author.id, ...(author.lid && { participantLid: author.lid }) };
  const media = hasMedia && { hasMedia, media: mediaOf(quoted) };
  return { replyTo: create(MessagePayload_ReplyToSchema, { id, ...names, body, ...media }) };
}

/** Copies a message, which came as JSON through the DevTools protocol, without the fields left out of events. */
export const jsonObject = (value: object): JsonObject =>
  JSON.parse(JSON.stringify(value, (key, item) => (withheld.has(key) ? undefined : item)));
