import { create } from "@bufbuild/protobuf";
import {
  MessageEditedPayloadSchema,
  type MessagePayload,
  MessageReactionPayloadSchema,
  MessageRevokedPayloadSchema,
} from "../../../gen/sessiond/v1/event_pb.js";
import type { MessageChange } from "../../domain/session.ts";
import type { EngineEvent } from "../../ports/engine.ts";
import { isPerson } from "./chat-id.ts";

/** A message, or the message that changes another one: as it is decrypted, before people's other ids are looked up. */
export interface Report {
  readonly kind: "message" | MessageChange["case"];
  /** Of a reaction: its emoji is the body, and `replyTo` names the message reacted to. */
  readonly message: MessagePayload;
  /** WhatsApp's id of the message that is changed; empty for a message. */
  readonly targetId: string;
}

/** Returns a report as an engine brings it. */
export function eventOf({ kind, message, targetId }: Report): EngineEvent {
  switch (kind) {
    case "message":
      return { type: "message", message };
    case "messageReaction":
      return { type: "message_change", change: { case: kind, value: reactionIn(message, targetId) } };
    case "messageEdited": {
      const value = create(MessageEditedPayloadSchema, { message, editedMessageId: targetId });
      return { type: "message_change", change: { case: kind, value } };
    }
    case "messageRevoked": {
      const value = create(MessageRevokedPayloadSchema, { after: message, revokedMessageId: targetId });
      return { type: "message_change", change: { case: kind, value } };
    }
  }
}

function reactionIn(message: MessagePayload, targetId: string) {
  const { id, timestamp, from, fromMe, source, to, participant, body, replyTo, data } = message;
  const [chat, me] = fromMe ? [to, from] : [from, to];
  const author = replyTo?.participant ?? "";
  const messageId = [author === me, chat, targetId, ...(isPerson(chat) ? [] : [author])].join("_");
  return create(MessageReactionPayloadSchema, {
    id,
    timestamp,
    from,
    fromMe,
    source,
    to,
    ...(participant !== undefined && { participant }),
    reaction: { text: body, messageId },
    ...(data && { data }),
  });
}
