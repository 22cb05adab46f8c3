import { create, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { normalizeMessageContent, type proto, toNumber, type WAMessage } from "@whiskeysockets/baileys";
import {
  MessagePayload_Ack as Ack,
  type MessagePayload,
  type MessagePayload_Location,
  MessagePayload_LocationSchema,
  type MessagePayload_Media,
  MessagePayload_MediaSchema,
  type MessagePayload_ReplyTo,
  MessagePayload_ReplyToSchema,
  MessagePayloadSchema,
} from "../../../gen/sessiond/v1/event_pb.js";
import { addressesOf } from "../engine/addresses.ts";
import { chatId, isPerson, type Person, personOf } from "../engine/chat-id.ts";
import { fileIn, mimetypeOf } from "./media-content.ts";

type Content = proto.IMessage;

/** The account whose messages are read, as in Baileys' creds. */
export interface Account {
  readonly id: string;
  readonly lid?: string | undefined;
}

/** Returns the account's chat ids. */
export const accountOf = ({ id, lid }: Account): Person => ({ id: chatId(id), ...(lid && { lid: chatId(lid) }) });

const none = () => undefined;

/**
 * The kinds of content that count as messages, and the text of each. Kinds that are not listed, such as reactions, votes, edits and
 * revocations, are not reported as messages.
 */
const texts = {
  conversation: (m) => m.conversation,
  extendedTextMessage: (m) => m.extendedTextMessage?.text,
  imageMessage: (m) => m.imageMessage?.caption,
  videoMessage: (m) => m.videoMessage?.caption,
  ptvMessage: (m) => m.ptvMessage?.caption,
  audioMessage: none,
  documentMessage: (m) => m.documentMessage?.caption,
  stickerMessage: none,
  stickerPackMessage: (m) => m.stickerPackMessage?.caption,
  contactMessage: (m) => m.contactMessage?.displayName,
  contactsArrayMessage: (m) => m.contactsArrayMessage?.displayName,
  locationMessage: (m) => m.locationMessage?.name ?? m.locationMessage?.comment,
  liveLocationMessage: (m) => m.liveLocationMessage?.caption,
  pollCreationMessage: (m) => m.pollCreationMessage?.name,
  pollCreationMessageV2: (m) => m.pollCreationMessageV2?.name,
  pollCreationMessageV3: (m) => m.pollCreationMessageV3?.name,
  eventMessage: (m) => m.eventMessage?.name,
  buttonsMessage: (m) => m.buttonsMessage?.contentText,
  buttonsResponseMessage: (m) => m.buttonsResponseMessage?.selectedDisplayText,
  listMessage: (m) => m.listMessage?.description,
  listResponseMessage: (m) => m.listResponseMessage?.title,
  templateMessage: (m) => m.templateMessage?.hydratedTemplate?.hydratedContentText,
  templateButtonReplyMessage: (m) => m.templateButtonReplyMessage?.selectedDisplayText,
  interactiveMessage: (m) => m.interactiveMessage?.body?.text,
  interactiveResponseMessage: (m) => m.interactiveResponseMessage?.body?.text,
  highlyStructuredMessage: none,
  productMessage: (m) => m.productMessage?.body,
  orderMessage: (m) => m.orderMessage?.message,
  invoiceMessage: (m) => m.invoiceMessage?.note,
  groupInviteMessage: (m) => m.groupInviteMessage?.caption,
  newsletterAdminInviteMessage: (m) => m.newsletterAdminInviteMessage?.caption,
  albumMessage: none,
  sendPaymentMessage: none,
  requestPaymentMessage: none,
} as const satisfies { [Kind in keyof Content]?: (content: Content) => string | null | undefined };

type Kind = keyof typeof texts;

const kinds = Object.keys(texts).filter((key): key is Kind => key in texts);
/** Returns the message as events show it; undefined if no user wrote it. */
export function messagePayload(message: WAMessage, me: Account): MessagePayload | undefined {
  const content = normalizeMessageContent(message.message);
  if (!content || content.protocolMessage || message.category === "peer") return undefined;
  return kindOf(content) && payloadOf(message, content, me);
}

/** Returns a message with this content as events show it; undefined if WhatsApp does not name it. */
export function payloadOf(message: WAMessage, content: Content, me: Account): MessagePayload | undefined {
  const kind = kindOf(content);
  const { key } = message;
  if (!key.remoteJid || !key.id) return undefined;

  const fromMe = key.fromMe === true;
  const account = accountOf(me);
  const chat = personOf(key.remoteJid, key.remoteJidAlt, account);
  const author = isPerson(chat.id) ? undefined : authorOf(message, account);
  return create(MessagePayloadSchema, {
    ...addressesOf({ fromMe, key: key.id, chat, author, me: account }),
    timestamp: toNumber(message.messageTimestamp ?? 0),
    body: (kind && texts[kind](content)) ?? "",
    ...mediaOf(content),
    ack: ackOf(message.status),
    vCards: vCardsOf(content),
    ...locationOf(content),
    ...(kind && replyTo(content, kind, account)),
    data: jsonObject(message),
  });
}

/** Returns what is known of a message's file. Its URL is added by the server. */
function mediaOf(content: Content): { hasMedia: boolean; media?: MessagePayload_Media } {
  const fields = fileIn(content)?.fields;
  if (!fields) return { hasMedia: false };
  const media = { mimetype: mimetypeOf(fields), filename: fields.fileName ?? "" };
  return { hasMedia: true, media: create(MessagePayload_MediaSchema, media) };
}

/** Returns the place that a message shows, with its name and its address in a line each. */
function locationOf({ locationMessage, liveLocationMessage }: Content): { location?: MessagePayload_Location } {
  const { degreesLatitude: latitude, degreesLongitude: longitude } = locationMessage ?? liveLocationMessage ?? {};
  if (typeof latitude !== "number" || typeof longitude !== "number") return {};
  const { name, address } = locationMessage ?? {};
  const description = [name, address].filter((line) => line).join("\n");
  return { location: create(MessagePayload_LocationSchema, { latitude, longitude, description }) };
}

const kindOf = (content: Content) => kinds.find((kind) => content[kind] !== null && content[kind] !== undefined);

/** Returns the author of a message in a group or of a status update. Baileys stores the other id of a status update's author as that of its chat. */
function authorOf({ key, participant }: WAMessage, me: Person): Person | undefined {
  const author = key.participant || participant;
  return author ? personOf(author, key.participantAlt || key.remoteJidAlt, me) : undefined;
}

/** Baileys counts from ERROR = 0; a message that came in has no status and has reached this device. */
const ackOf = (status: WAMessage["status"]): Ack =>
  status === null || status === undefined ? Ack.DEVICE : Math.min(Math.max(status - 1, Ack.ERROR), Ack.PLAYED);

const vCardsOf = (content: Content): string[] =>
  [content.contactMessage, ...(content.contactsArrayMessage?.contacts ?? [])].flatMap(
    (contact) => contact?.vcard ?? [],
  );

function replyTo(content: Content, kind: Kind, me: Person): { replyTo?: MessagePayload_ReplyTo } {
  const part = content[kind];
  const context = typeof part === "object" && part && "contextInfo" in part ? part.contextInfo : undefined;
  if (!context?.stanzaId) return {};
  const author = context.participant ? personOf(context.participant, undefined, me) : { id: "" };
  const quoted = normalizeMessageContent(context.quotedMessage);
  const quotedKind = quoted && kindOf(quoted);
  return {
    replyTo: create(MessagePayload_ReplyToSchema, {
      id: context.stanzaId,
      participant: author.id,
      ...(author.lid && { participantLid: author.lid }),
      body: (quoted && quotedKind && texts[quotedKind](quoted)) ?? "",
      ...(quoted && mediaOf(quoted)),
    }),
  };
}

/** Removes the sender key, with which a reader could decrypt the group. */
const withheld = "senderKeyDistributionMessage";

const jsonObject = (value: object): JsonObject =>
  Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => {
      const json = key === withheld ? undefined : jsonValue(item);
      return json === undefined ? [] : [[key, json]];
    }),
  );

/** Converts a value to JSON: bytes to base64, 64-bit integers to numbers. Leaves out everything else that JSON cannot hold. */
function jsonValue(value: unknown): JsonValue | undefined {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object") return undefined;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return value.map((item) => jsonValue(item) ?? null);
  if ("low" in value && "high" in value && "toNumber" in value && typeof value.toNumber === "function") {
    return jsonValue(value.toNumber());
  }
  return jsonObject(value);
}
