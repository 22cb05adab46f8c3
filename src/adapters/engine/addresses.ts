import type { MessageInitShape } from "@bufbuild/protobuf";
import type { MessagePayload, MessagePayloadSchema } from "../../../gen/sessiond/v1/event_pb.js";
import { isLid, isNumber, isPerson, type Person } from "./chat-id.ts";

/** The sender and the recipient of a message. */
export interface Route {
  readonly fromMe: boolean;
  /** WhatsApp's id of the message. */
  readonly key: string;
  readonly chat: Person;
  /** The author, if it is not the chat itself. */
  readonly author: Person | undefined;
  readonly me: Person;
}

/** Returns the fields of a message that name its sender and recipient. */
export function addressesOf({ fromMe, key, chat, author, me }: Route): MessageInitShape<typeof MessagePayloadSchema> {
  const [from, to] = fromMe ? [me, chat] : [chat, me];
  return {
    id: [fromMe, chat.id, key, ...(author ? [author.id] : [])].join("_"),
    from: from.id,
    ...(from.lid && { fromLid: from.lid }),
    fromMe,
    // Engines report the account's own messages if another device has sent them.
    ...(fromMe && { source: "app" }),
    to: to.id,
    ...(to.lid && { toLid: to.lid }),
    ...(author && { participant: author.id }),
    ...(author?.lid && { participantLid: author.lid }),
  };
}

/** Returns the chat ids of people whose other id the message does not contain. */
export function halfNamedIn(message: MessagePayload): string[] {
  const { from, fromLid, to, toLid, participant, participantLid, replyTo } = message;
  const people: [string | undefined, string | undefined][] = [
    [from, fromLid],
    [to, toLid],
    [participant, participantLid],
    [replyTo?.participant, replyTo?.participantLid],
  ];
  return people.flatMap(([id, lid]) => (id && (isLid(id) || (isNumber(id) && !lid)) ? [id] : []));
}

/** Returns the message with the other ids that `otherOf` knows: numbers instead of LIDs, and LIDs beside numbers. */
export function withNames(message: MessagePayload, otherOf: (id: string) => string | undefined): MessagePayload {
  const named = (id: string, lid: string | undefined): Person => {
    if (isLid(id)) return { id: otherOf(id) ?? id, lid: id };
    return { id, lid: lid ?? (isPerson(id) ? otherOf(id) : undefined) };
  };
  const { replyTo } = message;
  const from = named(message.from, message.fromLid);
  const to = named(message.to, message.toLid);
  const author = message.participant ? named(message.participant, message.participantLid) : undefined;
  const quoted = replyTo && named(replyTo.participant, replyTo.participantLid);
  const [chat, me] = message.fromMe ? [to, from] : [from, to];
  return {
    ...message,
    ...addressesOf({ fromMe: message.fromMe, key: keyIn(message), chat, author, me }),
    ...(replyTo &&
      quoted && {
        replyTo: { ...replyTo, participant: quoted.id, ...(quoted.lid && { participantLid: quoted.lid }) },
      }),
  } as MessagePayload;
}

/** Returns WhatsApp's id of the message, which stands between the chat and the author. */
function keyIn({ id, fromMe, from, to, participant }: MessagePayload): string {
  const start = `${fromMe}_${fromMe ? to : from}_`.length;
  return participant ? id.slice(start, -`_${participant}`.length) : id.slice(start);
}
