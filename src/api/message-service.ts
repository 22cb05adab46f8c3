import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { OutgoingContent } from "../../gen/sessiond/store/v1/store_pb.js";
import { OutgoingContent_File_Kind as FileKind, OutgoingContentSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import type { MessagePayload } from "../../gen/sessiond/v1/event_pb.js";
import {
  type MessageService,
  SendFileRequestSchema,
  SendImageRequestSchema,
  type SendTextRequest,
  SendTextRequestSchema,
  SendVideoRequestSchema,
  SendVoiceRequestSchema,
  SetReactionRequestSchema,
} from "../../gen/sessiond/v1/message_service_pb.js";
import { type Outgoing, OutgoingSchema } from "../../gen/sessiond/v1/outgoing_pb.js";
import type { FileLinks } from "../app/sending/file-links.ts";
import type { FileUploads } from "../app/sending/file-uploads.ts";
import type { MessageSender, SendRequest, Sent } from "../app/sending/message-sender.ts";
import { isMessageId, type MessageName, messageNameOf } from "../domain/chat-address.ts";
import { invalidArgument } from "../domain/errors.ts";
import { answerOf, payloadOf } from "../domain/outgoing-payload.ts";
import { pageTokenOf, placeOfToken } from "../domain/page-token.ts";
import { phoneNumber } from "../domain/phone-number.ts";
import type { Sending } from "../ports/sending.ts";
import { chatOf, mentionsOf } from "./message-names.ts";
import type { FileFinder } from "./nodes/node-files.ts";
import { type FileFields, fileOf, splitUpload } from "./outgoing-file.ts";
import { idempotencyKeyOf } from "./preconditions.ts";

/** Dependencies of MessageService. */
export interface MessageServiceOptions {
  readonly sender: MessageSender;
  readonly fileLinks: Pick<FileLinks, "link">;
  readonly downloads: FileFinder;
  readonly uploads: FileUploads;
}

const defaultPageSize = 50;

/** Fields that all requests to send have. */
interface SendFields {
  readonly session: string;
  readonly chatId: string;
  readonly id: string;
  readonly replyTo: string;
  readonly expiresAt?: Parameters<typeof timestampMs>[0] | undefined;
  readonly force: boolean;
}

/** Creates MessageService on top of a sender. */
export function createMessageService(options: MessageServiceOptions): ServiceImpl<typeof MessageService> {
  const { sender, fileLinks, downloads, uploads } = options;
  const shown = ({ message, record }: Sent) => fileLinks.link(record, payloadOf(message, record.me));
  const view = (sent: Sent) => outgoingView(sent, shown(sent));
  const send = async (request: SendRequest, { signal }: HandlerContext) => ({
    message: await sender.send(request, signal).then((sent) => answerOf(sent.message, shown(sent))),
  });
  const sendText = (request: SendTextRequest, context: HandlerContext) => {
    const { text, linkPreview = true, linkPreviewHighQuality: highQuality, mentions } = request;
    const content = create(OutgoingContentSchema, {
      kind: { case: "text", value: { text, linkPreview, highQuality } },
      mentions: mentionsOf(mentions),
    });
    return send(requestOf(SendTextRequestSchema, request, content, context), context);
  };
  const sendFile = <Desc extends DescMessage>(
    schema: Desc,
    kind: FileKind,
    request: MessageShape<Desc> & SendFields & FileFields,
    context: HandlerContext,
  ) => {
    const { source, content } = fileOf(request, kind);
    return send({ ...requestOf(schema, request, content, context), source }, context);
  };
  /** Runs an action of the session's engine. */
  const acting = async <T>(session: string, { signal }: HandlerContext, act: (sending: Sending) => Promise<T>) => {
    const sending = await sender.sending(session, signal);
    return act(sending).catch((error: unknown) => {
      throw sender.refusalOf(error, session);
    });
  };
  return {
    sendText,
    replyDeprecated: (request, context) => sendText({ ...request, $typeName: "sessiond.v1.SendTextRequest" }, context),
    sendImage: (request, context) => sendFile(SendImageRequestSchema, FileKind.IMAGE, request, context),
    sendFile: (request, context) => sendFile(SendFileRequestSchema, FileKind.DOCUMENT, request, context),
    sendVoice: (request, context) =>
      sendFile(SendVoiceRequestSchema, FileKind.VOICE, { ...request, mentions: [], caption: "" }, context),
    sendVideo: (request, context) =>
      sendFile(SendVideoRequestSchema, request.asNote ? FileKind.VIDEO_NOTE : FileKind.VIDEO, request, context),
    async uploadMedia(requests) {
      const { session, content } = await splitUpload(requests);
      const { id, url, size, expiresAtMs } = await uploads.store(session, content);
      return { id, url, size: BigInt(size), expiresAt: timestampFromMs(expiresAtMs) };
    },
    async *downloadMedia({ session, id, start, isHead }, { signal, requestHeader }) {
      const { mimetype, filename, size, open } = await downloads.find(session, id, signal, requestHeader);
      if (start > size) throw invalidArgument([{ field: "start", description: `must be at most ${size}` }]);
      const content = isHead ? [] : await open(Number(start), signal);
      yield { mimetype, filename, size: BigInt(size) };
      for await (const part of content) yield { content: part };
    },
    setReaction(request, context) {
      const { session, messageId, reaction: text } = request;
      const target = nameOf(messageId, "messageId");
      if (target.chatId === undefined) {
        throw invalidArgument([{ field: "messageId", description: "must be the id as events show it, with its chat" }]);
      }
      const content = create(OutgoingContentSchema, { kind: { case: "reaction", value: { text } } });
      const fingerprint = toBinary(SetReactionRequestSchema, request);
      const options = { ...optionsOf(context), isAsync: false, force: false };
      return send({ session, chatId: target.chatId, content, fingerprint, replyTo: target, ...options }, context);
    },
    async sendSeen({ session, chatId, messageIds, messageId, participant }, context) {
      const chat = chatOf(chatId);
      const ids = [...messageIds, ...(messageId === "" ? [] : [messageId])].map((id) => nameOf(id, "messageIds").id);
      const author = participant === "" ? undefined : chatOf(participant, "participant");
      await acting(session, context, (sending) => sending.markSeen(chat, ids, author));
      return {};
    },
    async startTyping({ session, chatId }, context) {
      const chat = chatOf(chatId);
      await acting(session, context, (sending) => sending.setTyping(chat, true));
      return { result: true };
    },
    async stopTyping({ session, chatId }, context) {
      const chat = chatOf(chatId);
      await acting(session, context, (sending) => sending.setTyping(chat, false));
      return { result: true };
    },
    async checkNumber({ session, phone }, context) {
      const digits = phoneNumber(phone.replace(/@(c\.us|s\.whatsapp\.net)$/, ""));
      if (typeof digits !== "string") throw invalidArgument([{ ...digits, field: "phone" }]);
      const account = await acting(session, context, (sending) => sending.findAccount(digits));
      return account ? { numberExists: true, ...account } : { numberExists: false };
    },
    getTimelock: async ({ session }, { signal }) => ({
      timelock: await (await sender.limits(session, signal)).timelock(),
    }),
    getCapping: async ({ session }, { signal }) => ({
      capping: await (await sender.limits(session, signal)).capping(),
    }),
    async newMessageId({ session }) {
      await sender.list(session, { limit: 0 });
      return { id: sender.newId() };
    },
    async listOutbox({ session, states, chatId, pageSize, pageToken }) {
      const filter = { session, states, chatId: chatId === "" ? "" : chatOf(chatId) };
      const place = placeOfToken(pageToken, filter);
      const limit = pageSize || defaultPageSize;
      const { messages, record } = await sender.list(session, {
        ...(states.length > 0 && { states }),
        ...(filter.chatId !== "" && { chatId: filter.chatId }),
        ...(place !== undefined && { before: BigInt(place) }),
        limit: limit + 1,
      });
      const page = messages.slice(0, limit);
      const last = messages.length > limit ? page.at(-1) : undefined;
      return {
        messages: page.map((message) => view({ message, record })),
        nextPageToken: last ? pageTokenOf(String(last.place), filter) : "",
      };
    },
    getOutgoing: async ({ session, id }) => ({
      outgoing: view(await sender.get(session, nameOf(id, "id").id)),
    }),
    cancelOutgoing: async ({ session, id }) => ({
      outgoing: view(await sender.cancel(session, nameOf(id, "id").id)),
    }),
  };
}

function outgoingView(sent: Sent, payload: MessagePayload): Outgoing {
  const { id, chatId, state, reason, acceptedAt, changedAt, attempts } = sent.message;
  return create(OutgoingSchema, {
    id,
    chatId,
    state,
    reason,
    message: payload,
    ...(acceptedAt && { acceptedAt }),
    ...(changedAt && { changedAt }),
    attempts,
  });
}

/** Returns what a caller asks to send. Its fingerprint leaves out the id, which names the request. */
function requestOf<Desc extends DescMessage>(
  schema: Desc,
  request: MessageShape<Desc> & SendFields,
  content: OutgoingContent,
  context: HandlerContext,
): SendRequest {
  const { session, chatId, id, replyTo, expiresAt, force } = request;
  if (id !== "" && !isMessageId(id)) {
    throw invalidArgument([{ field: "id", description: "must be an id from NewMessageId: letters and digits" }]);
  }
  return {
    session,
    chatId: chatOf(chatId),
    content,
    fingerprint: toBinary(schema, { ...request, id: "" }),
    ...(id !== "" && { id }),
    ...(replyTo !== "" && { replyTo: nameOf(replyTo, "replyTo") }),
    ...(expiresAt && { expiresAtMs: timestampMs(expiresAt) }),
    force,
    ...optionsOf(context),
  };
}

/** Returns what the headers of a call say about sending. */
function optionsOf({ requestHeader }: HandlerContext): Pick<SendRequest, "idempotencyKey" | "isAsync"> {
  const idempotencyKey = idempotencyKeyOf(requestHeader);
  const preferences = requestHeader.get("prefer")?.split(",") ?? [];
  const isAsync = preferences.some((one) => one.trim().toLowerCase() === "respond-async");
  return { isAsync, ...(idempotencyKey !== undefined && { idempotencyKey }) };
}

function nameOf(text: string, field: string): MessageName {
  const name = messageNameOf(text, field);
  if (!("field" in name)) return name;
  throw invalidArgument([name]);
}
