import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { type MessageLog, MessageLogSchema, type SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  type MessagePayload,
  type MessagePayload_Key,
  MessagePayload_KeySchema,
} from "../../gen/sessiond/v1/event_pb.js";
import { type MessageName, messageNameOf } from "./chat-address.ts";
import type { MessageChange } from "./session-input.ts";

/** Ids of reported messages that are stored per session, at most. */
const maxReported = 100;

/** Log of a session that has reported no message. */
export const noMessages: MessageLog = create(MessageLogSchema);

/** Returns true if a message was reported before. WhatsApp repeats a message until its receipt is confirmed. */
export const isReported = (log: MessageLog, message: MessagePayload): boolean =>
  idsOf(message).some((id) => log.reported.includes(id));

/** Returns the key of a reported message of a chat that a caller names; undefined if it is not among the last ones. */
export function reportedKey(
  { reported }: MessageLog,
  { id, chatId, fromMe }: { readonly id: string; readonly chatId: string; readonly fromMe?: boolean | undefined },
): MessagePayload_Key | undefined {
  const names = reported.filter((one) => one.includes(id)).map((one) => messageNameOf(one, "id"));
  const found = names.find(
    (one): one is MessageName =>
      !("field" in one) && one.id === id && one.chatId === chatId && (fromMe ?? one.fromMe) === one.fromMe,
  );
  if (!found) return undefined;
  const { participant } = found;
  return create(MessagePayload_KeySchema, {
    remoteJid: jidOf(chatId),
    fromMe: found.fromMe === true,
    id,
    ...(participant !== undefined && { participant: jidOf(participant) }),
  });
}

const jidOf = (chatId: string): string => chatId.replace(/@c\.us$/, "@s.whatsapp.net");

/** Returns the log after a message is reported. */
export function withReported(log: MessageLog, { id, timestamp }: MessagePayload): MessageLog {
  const { reported } = withReportedId(log, id);
  const sentAtMs = timestamp * 1_000;
  const isNewest = !log.newestAt || timestampMs(log.newestAt) < sentAtMs;
  return { ...log, reported, ...(isNewest && { newestAt: timestampFromMs(sentAtMs) }) };
}

/** Returns the log after something else than a message is reported. */
export const withReportedId = (log: MessageLog, id: string): MessageLog => ({
  ...log,
  reported: [...log.reported.slice(1 - maxReported), id],
});

/** Returns the id under which the change of a message is logged. */
export function changeIdOf(change: MessageChange): string {
  switch (change.case) {
    case "messageReaction":
      return `reaction ${change.value.id}`;
    case "messageEdited":
      return `edited ${change.value.message?.id} ${change.value.editedMessageId}`;
    case "messageRevoked":
      return `revoked ${change.value.revokedMessageId}`;
  }
}

/** Returns the log for a login that was paired at `nowMs`. The times of the former login's messages do not apply to it. */
export function withNewLogin(log: MessageLog, nowMs: number): MessageLog {
  const { newestAt: _, ...rest } = log;
  return { ...rest, since: timestampFromMs(nowMs) };
}

/** Returns the log of a login in use, with the time from which its messages are reported if an older store lacks it. */
export const withLoginInUse = (log: MessageLog, sinceMs: number): MessageLog =>
  log.newestAt || log.since ? log : { ...log, since: timestampFromMs(sinceMs) };

/**
 * Separates the log from a record of an earlier version, which contained it. Returns both unchanged for a record of
 * this version or later.
 */
export function carriedOver(record: SessionRecord, log: MessageLog = noMessages): [SessionRecord, MessageLog] {
  const { recentMessages, lastMessageAt, ...rest } = record;
  if (recentMessages.length === 0 && !lastMessageAt) return [record, log];
  const older = log.reported.filter((id) => !recentMessages.includes(id));
  const { newestAt: _, ...known } = log;
  const reported = [...older, ...recentMessages].slice(-maxReported);
  return [
    { ...rest, recentMessages: [] },
    { ...known, reported, ...(lastMessageAt && { newestAt: lastMessageAt }) },
  ];
}

/** Returns the id of a message, and its id from before the numbers of its LIDs were known. */
function idsOf(message: MessagePayload): string[] {
  const { id, fromMe, from, fromLid, to, toLid, participant, participantLid } = message;
  const [chat, chatLid] = fromMe ? [to, toLid] : [from, fromLid];
  const start = `${fromMe}_${chat}_`;
  const end = participant ? `_${participant}` : "";
  const key = id.slice(start.length, id.length - end.length);
  return [id, `${fromMe}_${chatLid ?? chat}_${key}${participant ? `_${participantLid ?? participant}` : ""}`];
}
