import { create, type JsonObject } from "@bufbuild/protobuf";
import {
  type MessagePayload,
  MessagePayload_ReplyToSchema,
  MessagePayloadSchema,
} from "../../../gen/sessiond/v1/event_pb.js";
import { addressesOf } from "../engine/addresses.ts";
import { isPerson, type Person, personOf } from "../engine/chat-id.ts";
import type { Report } from "../engine/message-report.ts";
import { idOf, jsonObject, objectOf, payloadOf, textOf } from "./message.ts";

/** Kinds of changes as the engine's reports name them. */
export type ChangeKind = Exclude<Report["kind"], "message">;

/**
 * Returns the change that the page reports: a reaction of the library, or the changed message in its new state. Undefined if the page does
 * not name the message. `me`: the account.
 */
export function changeIn(kind: ChangeKind, data: object, me: Person): Report | undefined {
  const raw = jsonObject(data);
  switch (kind) {
    case "messageReaction":
      return reactionIn(raw, me);
    case "messageEdited": {
      const edited = payloadOf(withIdOfEdit(raw), me);
      return edited && { kind, message: edited, targetId: textOf(objectOf(raw.id).id) };
    }
    case "messageRevoked": {
      const revoked = payloadOf(raw, me);
      const targetId = textOf(objectOf(raw.protocolMessageKey).id) || textOf(objectOf(raw.id).id);
      return revoked && { kind, message: revoked, targetId };
    }
  }
}

/** Gives a message the id and time of its latest edit, as it is announced. */
function withIdOfEdit(raw: JsonObject): JsonObject {
  const id = textOf(objectOf(raw.latestEditMsgKey).id);
  const atMs = raw.latestEditSenderTimestampMs;
  return {
    ...raw,
    ...(id !== "" && { id: { ...objectOf(raw.id), id } }),
    ...(typeof atMs === "number" && { t: atMs / 1_000 }),
  };
}

function reactionIn(raw: JsonObject, me: Person): Report | undefined {
  const [key, target] = [keyOf(raw.id), keyOf(raw.msgId)];
  const [id, targetId] = [textOf(key.id), textOf(target.id)];
  const remote = idOf(target.remote) || idOf(key.remote);
  if (!id || !targetId || !remote) return undefined;
  const fromMe = key.fromMe === true;
  const sender = idOf(raw.senderId);
  const chat = personOf(remote, fromMe ? undefined : sender, me);
  const inGroup = !isPerson(chat.id);
  const author = inGroup ? personOf(sender, idOf(key.participant), me) : undefined;
  const message = create(MessagePayloadSchema, {
    ...addressesOf({ fromMe, key: id, chat, author, me }),
    timestamp: typeof raw.timestamp === "number" ? Math.max(0, Math.floor(raw.timestamp)) : 0,
    body: textOf(raw.reaction),
    replyTo: targetOf(targetId, targetAuthor(target, chat, me)),
    data: raw,
  });
  return { kind: "messageReaction", message, targetId };
}

/** Returns a message's key, which the page also has as a text, such as "false_11111111111@c.us_3EB0". */
function keyOf(value: JsonObject[string] | undefined): JsonObject {
  if (typeof value !== "string") return objectOf(value);
  const [fromMe, remote = "", id = "", participant] = value.split("_");
  return { fromMe: fromMe === "true", remote, id, ...(participant !== undefined && { participant }) };
}

/** Returns the author of the message that a reaction is for. */
function targetAuthor(target: JsonObject, chat: Person, me: Person): Person {
  if (target.fromMe === true) return me;
  return isPerson(chat.id) ? chat : personOf(idOf(target.participant), undefined, me);
}

const targetOf = (id: string, author: Person): MessagePayload["replyTo"] =>
  create(MessagePayload_ReplyToSchema, {
    id,
    participant: author.id,
    ...(author.lid && { participantLid: author.lid }),
  });
