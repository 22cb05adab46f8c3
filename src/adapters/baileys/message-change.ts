import { create } from "@bufbuild/protobuf";
import { normalizeMessageContent, proto, type WAMessage } from "@whiskeysockets/baileys";
import {
  EventSchema,
  type MessagePayload,
  MessagePayload_ReplyToSchema,
  type Event as StoredEvent,
} from "../../../gen/sessiond/v1/event_pb.js";
import { isPerson, personOf } from "../engine/chat-id.ts";
import type { Report } from "../engine/message-report.ts";
import { type Account, accountOf, payloadOf } from "./message.ts";

const { REVOKE, MESSAGE_EDIT } = proto.Message.ProtocolMessage.Type;

/** Returns the change that a message brings to another one; undefined if it brings none. */
export function changeIn(raw: WAMessage, me: Account): Report | undefined {
  const content = normalizeMessageContent(raw.message);
  const reaction = content?.reactionMessage;
  const protocol = content?.protocolMessage;
  const target = reaction?.key ?? protocol?.key;
  if (!content || !target?.id || raw.category === "peer") return undefined;
  if (reaction) {
    const message = payloadOf(raw, {}, me);
    return (
      message &&
      report("messageReaction", { ...message, body: reaction.text ?? "", ...targetOf(target, raw, me) }, target)
    );
  }
  if (protocol?.type === REVOKE) return report("messageRevoked", payloadOf(raw, {}, me), target);
  const edited = protocol?.type === MESSAGE_EDIT ? normalizeMessageContent(protocol.editedMessage) : undefined;
  return edited && report("messageEdited", payloadOf(raw, edited, me), target);
}

const report = (
  kind: Report["kind"],
  message: MessagePayload | undefined,
  target: proto.IMessageKey,
): Report | undefined => message && { kind, message, targetId: target.id ?? "" };

/** Names a message by its author. Baileys has turned the key to the account's point of view. */
function targetOf(target: proto.IMessageKey, { key }: WAMessage, me: Account): Pick<MessagePayload, "replyTo"> {
  const account = accountOf(me);
  const chat = personOf(key.remoteJid ?? "", key.remoteJidAlt, account);
  const other = isPerson(chat.id) ? chat : personOf(target.participant ?? "", undefined, account);
  const author = target.fromMe ? account : other;
  const named = { id: target.id ?? "", participant: author.id, ...(author.lid && { participantLid: author.lid }) };
  return { replyTo: create(MessagePayload_ReplyToSchema, named) };
}

/** Converts a change to an event that holds it in the inbox. */
export const storedChange = ({ kind, message, targetId }: Report): StoredEvent =>
  create(EventSchema, { name: kind, id: targetId, payload: { case: "message", value: message } });

/** Reads a change from the inbox. */
export function changeOf({ name, id, payload }: StoredEvent): Report | undefined {
  if (payload.case !== "message") return undefined;
  const kind = (["messageReaction", "messageEdited", "messageRevoked"] as const).find((one) => one === name);
  return kind && { kind, message: payload.value, targetId: id };
}
