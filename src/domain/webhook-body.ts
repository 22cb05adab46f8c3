import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  MessagePayload_Ack as Ack,
  type Event,
  type MessageAckPayload,
  type MessageEditedPayload,
  type MessagePayload,
  type MessagePayload_Location,
  type MessagePayload_Media,
  type MessagePayload_ReplyTo,
  type MessageReactionPayload,
  type MessageRevokedPayload,
  type SessionHealthPayload,
  type SessionStatusPayload,
  type WebhookDisabledPayload,
} from "../../gen/sessiond/v1/event_pb.js";
import {
  Engine_Kind,
  Session_Health as Health,
  type Me,
  Session_StatusReason as Reason,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";

/** Facts about the server that each webhook body carries. */
export interface WebhookEnvironment {
  readonly version: string;
  readonly tier: string;
  /** Path of the browser that WEBJS runs. */
  readonly browser: string | null;
}

/**
 * Returns the body of an event's webhook requests (wire.md, section 5). It is byte-identical for all retries, so that
 * signatures and receivers' comparisons hold.
 */
export function webhookBody(event: Event, environment: WebhookEnvironment): Uint8Array {
  const engine = Engine_Kind[event.engine];
  const { version, tier } = environment;
  const browser = event.engine === Engine_Kind.WEBJS ? environment.browser : null;
  return new TextEncoder().encode(
    JSON.stringify({
      id: event.id,
      timestamp: event.time ? timestampMs(event.time) : 0,
      event: event.name,
      session: event.session,
      ...(Object.keys(event.metadata).length > 0 && { metadata: event.metadata }),
      me: event.me ? mePayload(event.me) : null,
      payload: payload(event.payload),
      engine,
      environment: { version, engine, tier, browser },
    }),
  );
}

const mePayload = ({ id, pushName, lid, jid }: Me): object => ({
  id,
  pushName,
  ...(lid !== undefined && { lid }),
  ...(jid !== undefined && { jid }),
});

function payload(of: Event["payload"]): object {
  switch (of.case) {
    case "sessionStatus":
      return statusPayload(of.value);
    case "message":
      return messagePayload(of.value);
    case "webhookDisabled":
      return disabledPayload(of.value);
    case "sessionHealth":
      return healthPayload(of.value);
    case "messageAck":
      return ackPayload(of.value);
    case "messageReaction":
      return reactionPayload(of.value);
    case "messageEdited":
      return editedPayload(of.value);
    case "messageRevoked":
      return revokedPayload(of.value);
    case undefined:
      return {};
  }
}

const statusPayload = ({ name, status, statuses, statusReason }: SessionStatusPayload) => ({
  name,
  status: Status[status],
  statuses: statuses.map((past) => ({
    status: Status[past.status],
    timestamp: past.time ? timestampMs(past.time) : 0,
  })),
  ...(status === Status.FAILED &&
    statusReason !== Reason.STATUS_REASON_UNSPECIFIED && { statusReason: Reason[statusReason] }),
});

const disabledPayload = ({ endpointId, url, reason, failingSince }: WebhookDisabledPayload) => ({
  endpointId,
  url,
  reason,
  failingSince: failingSince ? timestampMs(failingSince) : 0,
});

const healthPayload = ({ name, health, lastInboundAt }: SessionHealthPayload) => ({
  name,
  health: Health[health].replace(/^HEALTH_/, ""),
  lastInboundAt: lastInboundAt ? timestampMs(lastInboundAt) : null,
});

const messagePayload = (message: MessagePayload) => ({
  id: message.id,
  timestamp: message.timestamp,
  from: message.from,
  ...(message.fromLid && { fromLid: message.fromLid }),
  fromMe: message.fromMe,
  source: message.source || "app",
  to: message.to,
  ...(message.toLid && { toLid: message.toLid }),
  // WAHA names an author only in groups, and sends null elsewhere.
  participant: message.participant ?? null,
  ...(message.participant !== undefined && { author: message.author ?? message.participant }),
  ...(message.participantLid && { participantLid: message.participantLid }),
  body: message.body,
  hasMedia: message.hasMedia,
  media: message.media ? media(message.media) : null,
  // WAHA's older name for the URL.
  mediaUrl: message.media?.url || null,
  ack: message.ack,
  ackName: Ack[message.ack],
  vCards: message.vCards,
  location: message.location ? location(message.location) : null,
  replyTo: message.replyTo ? replyTo(message.replyTo) : null,
  _data: message.data ?? {},
});

const media = ({ url, mimetype, filename, error }: MessagePayload_Media) => ({
  url: url || null,
  mimetype,
  filename: filename || null,
  ...(error && { error }),
});

const location = ({ latitude, longitude, description }: MessagePayload_Location) => ({
  description: description || null,
  latitude,
  longitude,
});

const replyTo = ({ id, participant, participantLid, body, hasMedia, media: file }: MessagePayload_ReplyTo) => ({
  id,
  participant,
  ...(participantLid && { participantLid }),
  body,
  hasMedia,
  media: file ? media(file) : null,
});

const ackPayload = (ack: MessageAckPayload) => ({
  id: ack.id,
  from: ack.from,
  to: ack.to,
  participant: ack.participant ?? null,
  fromMe: ack.fromMe,
  ack: ack.ack,
  ackName: Ack[ack.ack],
  ...(ack.reason && { reason: ack.reason }),
  _data: ack.data ?? {},
});

const reactionPayload = (reaction: MessageReactionPayload) => ({
  id: reaction.id,
  timestamp: reaction.timestamp,
  from: reaction.from,
  fromMe: reaction.fromMe,
  source: reaction.source,
  to: reaction.to,
  participant: reaction.participant ?? null,
  reaction: { text: reaction.reaction?.text ?? "", messageId: reaction.reaction?.messageId ?? "" },
  _data: reaction.data ?? {},
});

const editedPayload = ({ message, editedMessageId }: MessageEditedPayload) => ({
  ...(message && messagePayload(message)),
  editedMessageId,
});

const revokedPayload = ({ after, before, revokedMessageId }: MessageRevokedPayload) => ({
  after: after ? messagePayload(after) : null,
  before: before ? messagePayload(before) : null,
  revokedMessageId,
});
