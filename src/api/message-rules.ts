import * as messages from "../../gen/sessiond/v1/message_service_pb.js";
import { Outgoing_State as State } from "../../gen/sessiond/v1/outgoing_pb.js";
import type { Violation } from "../domain/errors.ts";
import { enumListViolations, named, optionalName, pageSizeViolations, type Rule, rule } from "./rule.ts";

/** Characters of a text, of a caption and of a reaction, at most. */
const maxText = 65_536;
const maxCaption = 1_024;
const maxReaction = 64;
/** Bars of a waveform, and the highest. */
const waveformBars = 64;
const highestBar = 100;
/** Characters of a file's name, and seconds of a recording, at most. */
const maxFilename = 255;
const maxSeconds = 86_400;
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
  const given = [file.url, file.data, file.mediaId].filter((value) => value !== "").length;
  return [
    ...requiredViolations(file.mimetype, "file.mimetype"),
    ...lengthViolations(file.filename, maxFilename, "file.filename"),
    ...(given === 1 ? [] : [{ field: "file", description: "must have exactly one of url, data and mediaId" }]),
  ];
}

const recordingRule = (
  request: Parameters<typeof fileRule>[0] & {
    readonly convert: boolean;
    readonly seconds: number;
    readonly waveform?: Uint8Array;
  },
) => [
  ...fileRule(request),
  ...(request.convert
    ? [{ field: "convert", description: "must be false: send the file in a format that WhatsApp plays" }]
    : []),
  ...(request.seconds <= maxSeconds
    ? []
    : [{ field: "seconds", description: `must not be greater than ${maxSeconds}` }]),
  ...waveformViolations(request.waveform ?? new Uint8Array()),
];

const waveformViolations = (waveform: Uint8Array): Violation[] =>
  waveform.length === 0 || (waveform.length === waveformBars && waveform.every((bar) => bar <= highestBar))
    ? []
    : [{ field: "waveform", description: `must have ${waveformBars} bars from 0 to ${highestBar}` }];

/** Rules for the requests of MessageService. */
export const messageRules: readonly Rule[] = [
  rule(messages.SendTextRequestSchema, textRule),
  rule(messages.ReplyDeprecatedRequestSchema, textRule),
  rule(messages.SendImageRequestSchema, fileRule),
  rule(messages.SendFileRequestSchema, fileRule),
  rule(messages.SendVoiceRequestSchema, recordingRule),
  rule(messages.SendVideoRequestSchema, recordingRule),
  rule(messages.DownloadMediaRequestSchema, (request) => [...named(request), ...requiredViolations(request.id, "id")]),
  rule(messages.UploadMediaRequestSchema, ({ session }) => optionalName(session, "session")),
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
  rule(messages.GetTimelockRequestSchema, named),
  rule(messages.GetCappingRequestSchema, named),
  rule(messages.NewMessageIdRequestSchema, named),
  rule(messages.ListOutboxRequestSchema, (request) => [
    ...named(request),
    ...enumListViolations(State, request.states, "states"),
    ...pageSizeViolations(request.pageSize, maxEntries),
  ]),
  rule(messages.GetOutgoingRequestSchema, named),
  rule(messages.CancelOutgoingRequestSchema, named),
];
