import * as messages from "../../gen/sessiond/v1/message_service_pb.js";
import { Outgoing_State as State } from "../../gen/sessiond/v1/outgoing_pb.js";
import type { Violation } from "../domain/errors.ts";
import { enumListViolations, named, pageSizeViolations, type Rule, rule } from "./rule.ts";

/** Characters of a text, of a caption and of a reaction, at most. */
const maxText = 65_536;
const maxCaption = 1_024;
const maxReaction = 64;
/** Messages on a page of the outbox, at most. */
const maxEntries = 500;
/** Ids of messages to mark as read in one call, at most. */
const maxIds = 1_000;

const lengthViolations = (text: string, max: number, field: string): Violation[] =>
  text.length <= max ? [] : [{ field, description: `must not be longer than ${max} characters` }];

const requiredViolations = (text: string, field: string): Violation[] =>
  text === "" ? [{ field, description: "must not be empty" }] : [];

const textRule = (request: { readonly session: string; readonly chatId: string; readonly text: string }) => [
  ...chatRule(request),
  ...requiredViolations(request.text, "text"),
  ...lengthViolations(request.text, maxText, "text"),
];

const chatRule = (request: { readonly session: string; readonly chatId: string }) => [
  ...named(request),
  ...requiredViolations(request.chatId, "chatId"),
];

const fileRule = (request: {
  readonly session: string;
  readonly chatId: string;
  readonly file?: messages.OutgoingFile | undefined;
  readonly caption?: string;
}) => [
  ...chatRule(request),
  ...fileViolations(request.file),
  ...lengthViolations(request.caption ?? "", maxCaption, "caption"),
];

function fileViolations(file: messages.OutgoingFile | undefined): Violation[] {
  if (!file) return [{ field: "file", description: "must be set" }];
  const hasOne = (file.url === "") !== (file.data === "");
  return [
    ...requiredViolations(file.mimetype, "file.mimetype"),
    ...(hasOne ? [] : [{ field: "file", description: "must have either url or data" }]),
  ];
}

/** Rules for the requests of MessageService. */
export const messageRules: readonly Rule[] = [
  rule(messages.SendTextRequestSchema, textRule),
  rule(messages.ReplyDeprecatedRequestSchema, textRule),
  rule(messages.SendImageRequestSchema, fileRule),
  rule(messages.SendFileRequestSchema, fileRule),
  rule(messages.SendVoiceRequestSchema, fileRule),
  rule(messages.SendVideoRequestSchema, fileRule),
  rule(messages.SetReactionRequestSchema, (request) => [
    ...named(request),
    ...requiredViolations(request.messageId, "messageId"),
    ...lengthViolations(request.reaction, maxReaction, "reaction"),
  ]),
  rule(messages.SendSeenRequestSchema, (request) => [
    ...chatRule(request),
    ...(request.messageIds.length <= maxIds
      ? []
      : [{ field: "messageIds", description: `must not have more than ${maxIds} ids` }]),
  ]),
  rule(messages.StartTypingRequestSchema, chatRule),
  rule(messages.StopTypingRequestSchema, chatRule),
  rule(messages.CheckNumberRequestSchema, (request) => [
    ...named(request),
    ...requiredViolations(request.phone, "phone"),
  ]),
  rule(messages.NewMessageIdRequestSchema, named),
  rule(messages.ListOutboxRequestSchema, (request) => [
    ...named(request),
    ...enumListViolations(State, request.states, "states"),
    ...pageSizeViolations(request.pageSize, maxEntries),
  ]),
  rule(messages.GetOutgoingRequestSchema, named),
  rule(messages.CancelOutgoingRequestSchema, named),
];
