import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { OutgoingContent, OutgoingMessage } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  MessagePayload_Ack as Ack,
  type MessageAckPayload,
  MessageAckPayloadSchema,
  type MessagePayload,
  MessagePayloadSchema,
} from "../../gen/sessiond/v1/event_pb.js";
import {
  type SentMessage,
  SentMessageSchema,
  type Outgoing_State as State,
} from "../../gen/sessiond/v1/outgoing_pb.js";
import type { Me } from "../../gen/sessiond/v1/session_pb.js";
import { isGroupId } from "./chat-address.ts";
import { ackOf } from "./outgoing.ts";

/** Origin of messages that were sent through this server. */
const source = "api";

/** Returns a message that was sent, or is to be sent, as events and answers show it. `me`: the account that sends it. */
export function payloadOf(message: OutgoingMessage, me: Me | undefined): MessagePayload {
  const { content, chatId, acceptedAt, state } = message;
  const replyTo = content?.replyTo;
  return create(MessagePayloadSchema, {
    id: shownIdOf(message, me),
    timestamp: acceptedAt ? Math.floor(timestampMs(acceptedAt) / 1_000) : 0,
    from: me?.id ?? "",
    fromMe: true,
    to: chatId,
    ...(isGroupId(chatId) && me && { participant: me.id }),
    body: bodyOf(content),
    hasMedia: content?.kind.case === "file",
    ...(content?.kind.case === "file" && {
      media: { mimetype: content.kind.value.mimetype, filename: content.kind.value.filename },
    }),
    ack: ackOf(state),
    source,
    ...(replyTo && { replyTo: { id: replyTo.id, participant: replyTo.participant ?? replyTo.remoteJid } }),
  });
}

/** Returns a message as the call that sent it is answered. `payload`: as events show it. */
export function answerOf(message: OutgoingMessage, { participant, ...payload }: MessagePayload): SentMessage {
  return create(SentMessageSchema, {
    id: payload.id,
    timestamp: payload.timestamp,
    from: payload.from,
    fromMe: true,
    source,
    to: payload.to,
    ...(participant !== undefined && { participant }),
    body: payload.body,
    hasMedia: payload.hasMedia,
    ...(payload.media && { media: payload.media }),
    ack: payload.ack,
    ackName: Ack[payload.ack],
    ...(payload.replyTo && { replyTo: payload.replyTo }),
    key: { remoteJid: jidOf(message), fromMe: true, id: message.id },
    data: {},
  });
}

/** Returns WhatsApp's report on a message, of a member of a group or of the other side. */
export function ackPayloadOf(
  message: OutgoingMessage,
  me: Me | undefined,
  state: State,
  participant?: string,
): MessageAckPayload {
  return create(MessageAckPayloadSchema, {
    id: shownIdOf(message, me),
    from: me?.id ?? "",
    to: message.chatId,
    fromMe: true,
    ack: ackOf(state),
    reason: message.reason,
    ...(participant !== undefined && { participant }),
  });
}

/** Returns the id of a message as events show it. */
const shownIdOf = ({ chatId, id }: OutgoingMessage, me: Me | undefined): string =>
  `true_${chatId}_${id}${isGroupId(chatId) && me ? `_${me.id}` : ""}`;

const jidOf = ({ jid, chatId }: OutgoingMessage): string => jid || chatId.replace(/@c\.us$/, "@s.whatsapp.net");

function bodyOf(content: OutgoingContent | undefined): string {
  switch (content?.kind.case) {
    case "text":
      return content.kind.value.text;
    case "file":
      return content.kind.value.caption;
    case "reaction":
      return content.kind.value.text;
    default:
      return "";
  }
}
