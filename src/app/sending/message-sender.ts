import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type OutgoingContent,
  type OutgoingMessage,
  OutgoingMessageSchema,
  type SessionRecord,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import { Outgoing_State as State } from "../../../gen/sessiond/v1/outgoing_pb.js";
import { Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import { lockEndMs } from "../../domain/account.ts";
import type { MessageName } from "../../domain/chat-address.ts";
import { invalidArgument, SessionError, sessionNotFound, shuttingDown } from "../../domain/errors.ts";
import { statusOf } from "../../domain/session.ts";
import type { MessageFiles } from "../../ports/media.ts";
import type { OutgoingQuery, OutgoingStore } from "../../ports/outgoing.ts";
import { type AccountLimits, type Sending, SendRefused } from "../../ports/sending.ts";
import type { Sessions } from "../../ports/sessions.ts";
import type { Clock, Random } from "../../ports/system.ts";
import type { SessionManager } from "../session-manager.ts";
import { refuseStrangers } from "./mentions.ts";
import type { FileSource, OutgoingFiles } from "./outgoing-files.ts";
import type { SessionSends } from "./session-sends.ts";

/** Time that a call waits for WhatsApp's server to acknowledge its message. */
const answerLimitMs = 10_000;
/** Time for a STARTING session to become WORKING. */
const workingLimitMs = 5_000;
/** Messages of a session that wait, at most. */
const maxWaiting = 10_000;

/** Dependencies of a sender. */
export interface MessageSenderOptions {
  readonly manager: Pick<SessionManager, "get" | "sends">;
  readonly sessions: Pick<Sessions, "watch">;
  readonly outgoing: Pick<OutgoingStore, "get" | "getByKey" | "list">;
  readonly clock: Clock;
  readonly random: Pick<Random, "hex">;
  readonly files: Pick<OutgoingFiles, "take" | "drop">;
  /** Returns the SHA-256 of some bytes. */
  digest(bytes: Uint8Array): Uint8Array;
  /** Called for each message that is to be sent. */
  noteSend?(): void;
}

/** A message to be sent. */
export interface SendRequest {
  readonly session: string;
  readonly chatId: string;
  readonly content: OutgoingContent;
  /** Source of the file, if `content` is one. */
  readonly source?: FileSource | undefined;
  /** Message id of the caller's own. */
  readonly id?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  /** The request as bytes: a repetition must have the same. */
  readonly fingerprint: Uint8Array;
  readonly replyTo?: MessageName | undefined;
  /** Unix time (ms) until which the message may wait for the session. */
  readonly expiresAtMs?: number | undefined;
  /** True to answer once the message is stored. */
  readonly isAsync: boolean;
  readonly force: boolean;
}

/** A message, with the record of the session that sends it. */
export interface Sent {
  readonly message: OutgoingMessage;
  readonly record: SessionRecord;
}

/** Sends messages for callers. Rejects with SessionError for reasons that a caller can understand. */
export class MessageSender {
  readonly #options: MessageSenderOptions;

  constructor(options: MessageSenderOptions) {
    this.#options = options;
  }

  /** Stores a message, has it sent, and returns it as it is after WhatsApp's answer, or after 10 s. */
  async send(request: SendRequest, signal: AbortSignal): Promise<Sent> {
    const mayWait = request.isAsync || request.expiresAtMs !== undefined;
    const record = mayWait ? await this.#paired(request.session) : await this.#working(request.session, signal);
    const sends = await this.#options.manager.sends(request.session);
    this.#options.noteSend?.();
    const message = await this.#accept(sends, record, request, signal);
    if (request.isAsync) return { message, record };
    const answered = (await sends.answered(message.id, answerLimitMs)) ?? message;
    if (isRefused(answered)) throw await this.#refusal(request.session, answered);
    return { message: answered, record };
  }

  /** Returns what sends the messages of a WORKING session. Waits at most 5 s for one that is STARTING. */
  async sending(session: string, signal: AbortSignal): Promise<Sending> {
    const record = await this.#working(session, signal);
    const { sending } = await this.#options.manager.sends(session);
    if (sending) return sending;
    throw statusUnexpected(record);
  }

  /** Returns WhatsApp's limits on the account of a WORKING session. */
  async limits(session: string, signal: AbortSignal): Promise<AccountLimits> {
    const { limits } = await this.sending(session, signal);
    if (limits) return limits;
    throw new SessionError("METHOD_NOT_SUPPORTED", "The session's engine cannot ask for WhatsApp's limits", {
      session,
    });
  }

  /** Returns the error for a call, if WhatsApp or the engine refused it; else the error itself. */
  refusalOf(error: unknown, session: string): unknown {
    return error instanceof SendRefused ? refusedCall(error, session, this.#options.clock.wallMs()) : error;
  }

  /** Returns what fetches the files of a WORKING session's messages. */
  async messageFiles(session: string, signal: AbortSignal): Promise<MessageFiles> {
    const record = await this.#working(session, signal);
    const { messageFiles, sending } = await this.#options.manager.sends(session);
    if (messageFiles) return messageFiles;
    if (!sending) throw statusUnexpected(record);
    throw new SessionError("METHOD_NOT_SUPPORTED", "The engine of this session does not fetch files", { session });
  }

  /** Returns a new message id. */
  newId(): string {
    return `3EB0${this.#options.random.hex(9).toUpperCase()}`;
  }

  /** Returns one message. */
  async get(session: string, id: string): Promise<Sent> {
    const record = await this.#options.manager.get(session);
    const message = await this.#options.outgoing.get(session, id);
    if (!message) throw messageNotFound(session, id);
    return { message, record };
  }

  /** Returns messages, the one accepted last first, with the record of the session. */
  async list(session: string, query: OutgoingQuery): Promise<{ messages: OutgoingMessage[]; record: SessionRecord }> {
    const record = await this.#options.manager.get(session);
    return { messages: await this.#options.outgoing.list(session, query), record };
  }

  /** Cancels a message that has not left. */
  async cancel(session: string, id: string): Promise<Sent> {
    const record = await this.#options.manager.get(session);
    const message = await (await this.#options.manager.sends(session)).cancel(id);
    if (!message) throw messageNotFound(session, id);
    if (message.state === State.CANCELLED) return { message, record };
    throw new SessionError("MESSAGE_HAS_LEFT", `The message is ${State[message.state]}: it cannot be cancelled`, {
      session,
      id,
    });
  }

  async #accept(
    sends: SessionSends,
    record: SessionRecord,
    request: SendRequest,
    signal: AbortSignal,
  ): Promise<OutgoingMessage> {
    const { digest, clock, outgoing } = this.#options;
    const { session, id, idempotencyKey, replyTo, expiresAtMs, force } = request;
    // One person has one queue, whichever of two ids a caller uses.
    const chatId = (await sends.sending?.chatIdOf?.(request.chatId)) ?? request.chatId;
    const requestHash = digest(request.fingerprint);
    const keyHash = idempotencyKey === undefined ? new Uint8Array() : digest(Buffer.from(idempotencyKey));
    const knownById = id === undefined ? undefined : await outgoing.get(session, id);
    const known = knownById ?? (keyHash.length > 0 ? await outgoing.getByKey(session, keyHash) : undefined);
    if (!known && sends.size >= maxWaiting) throw tooMany(session);
    if (!known) await this.#refuseLocked(sends, request);
    if (!known) await this.#refuseStrangers(sends, chatId, request);
    const replying = known ? request.content : await withReply(sends, chatId, request.content, replyTo);
    const content = known ? replying : await this.#withFile(session, replying, request.source, signal);
    const wallMs = clock.wallMs();
    const wanted = create(OutgoingMessageSchema, {
      id: id ?? this.newId(),
      keyHash,
      requestHash,
      chatId,
      content,
      state: State.QUEUED,
      acceptedAt: timestampFromMs(wallMs),
      changedAt: timestampFromMs(wallMs),
      ...(expiresAtMs !== undefined && {
        expiresAt: timestampFromMs(clock.nowMs() + Math.max(0, expiresAtMs - wallMs)),
      }),
      force,
    });
    const { message, isNew } = await sends.accept(wanted, id === undefined).catch(async (error: unknown) => {
      await this.#dropFile(session, content);
      throw error;
    });
    if (!isNew) await this.#dropFile(session, content);
    if (Buffer.compare(message.requestHash, requestHash) === 0) return message;
    throw new SessionError(
      "IDEMPOTENCY_KEY_REUSED",
      `This ${idempotencyKey === undefined ? "id" : "Idempotency-Key"} was used to send another message; use a new one for another message`,
      { session: record.name, id: message.id },
    );
  }

  /** Puts a message's file into the spool. */
  async #withFile(
    session: string,
    content: OutgoingContent,
    source: FileSource | undefined,
    signal: AbortSignal,
  ): Promise<OutgoingContent> {
    if (!source || content.kind.case !== "file") return content;
    const value = await this.#options.files.take(session, source, content.kind.value, signal);
    return { ...content, kind: { case: "file", value } };
  }

  async #dropFile(session: string, { kind }: OutgoingContent): Promise<void> {
    if (kind.case === "file") await this.#options.files.drop(session, kind.value);
  }

  /** Rejects a message that would start a chat while WhatsApp has locked new ones. */
  async #refuseLocked(sends: SessionSends, request: SendRequest): Promise<void> {
    const endMs = await sends.lockEndMs(request);
    if (endMs !== undefined) throw lockedError(request.session, endMs, this.#options.clock.wallMs());
  }

  async #refuseStrangers({ sending }: SessionSends, chatId: string, { session, content }: SendRequest): Promise<void> {
    await refuseStrangers(sending, chatId, content.mentions).catch((error: unknown) => {
      throw this.refusalOf(error, session);
    });
  }

  /** Returns the error for a message that was not sent. */
  async #refusal(session: string, message: OutgoingMessage): Promise<SessionError> {
    if (message.reason !== "REACHOUT_LOCKED") return refusal(message);
    const { me } = await this.#options.manager.get(session);
    const wallMs = this.#options.clock.wallMs();
    return lockedError(
      session,
      lockEndMs(me?.reachoutTimelock, wallMs) ?? Number.POSITIVE_INFINITY,
      wallMs,
      message.id,
    );
  }

  /** Returns the record of a session that is paired with a phone: its messages can wait. */
  async #paired(session: string): Promise<SessionRecord> {
    const record = await this.#options.manager.get(session);
    if (record.me) return record;
    throw statusUnexpected(record);
  }

  /** Returns the record of a session once it is WORKING. Waits at most 5 s while it is STARTING. */
  async #working(session: string, signal: AbortSignal): Promise<SessionRecord> {
    const { manager, sessions, clock } = this.#options;
    const present = await manager.get(session);
    if (statusOf(present) === Status.WORKING) return present;
    const waiting = new AbortController();
    const cancel = clock.schedule(workingLimitMs, () => waiting.abort());
    let last: SessionRecord | undefined;
    try {
      for await (const { record } of sessions.watch(session, AbortSignal.any([signal, waiting.signal]))) {
        if (!record) throw sessionNotFound(session);
        if (statusOf(record) === Status.WORKING) return record;
        last = record;
        if (statusOf(record) !== Status.STARTING) break;
      }
    } finally {
      cancel();
    }
    if (last) throw statusUnexpected(last);
    throw shuttingDown();
  }
}

/** Adds the message that another one replies or reacts to. */
async function withReply(
  sends: SessionSends,
  chatId: string,
  content: OutgoingContent,
  replyTo: MessageName | undefined,
): Promise<OutgoingContent> {
  if (!replyTo) return content;
  const key = await sends.findKey({ chatId, ...replyTo });
  if (!key) {
    const field = content.kind.case === "reaction" ? "messageId" : "replyTo";
    throw invalidArgument([{ field, description: "names a message that this session does not know" }]);
  }
  if (content.kind.case !== "reaction") return { ...content, replyTo: key };
  return { ...content, kind: { case: "reaction", value: { ...content.kind.value, key } } };
}

const isRefused = ({ state }: OutgoingMessage): boolean =>
  state === State.FAILED || state === State.EXPIRED || state === State.CANCELLED;

function refusedCall(error: SendRefused, session: string, nowMs: number): SessionError {
  const { reason, message, untilMs } = error;
  if (reason === "TOO_MANY_CHECKS") {
    const retryAfterSeconds = String(Math.max(1, Math.ceil(((untilMs ?? nowMs) - nowMs) / 1_000)));
    return new SessionError("TOO_MANY_MESSAGES", message, { session, refusal: reason, retryAfterSeconds });
  }
  return new SessionError("MESSAGE_REFUSED", message, {
    session,
    refusal: reason,
    ...(untilMs !== undefined && { until: new Date(untilMs).toISOString() }),
  });
}

const refusal = ({ id, state, reason }: OutgoingMessage) =>
  new SessionError("MESSAGE_REFUSED", refusalTexts[reason] ?? `The message is ${State[state]}: ${reason}`, {
    id,
    refusal: reason,
  });

function lockedError(session: string, endMs: number, wallMs: number, id?: string): SessionError {
  const isKnown = Number.isFinite(endMs);
  const until = isKnown ? ` until ${new Date(endMs).toISOString()}` : "";
  return new SessionError(
    "MESSAGE_REFUSED",
    `WhatsApp has locked new chats of this account${until}; replies still pass, and "force": true sends all the same`,
    {
      session,
      refusal: "REACHOUT_LOCKED",
      ...(id !== undefined && { id }),
      ...(isKnown && {
        until: new Date(endMs).toISOString(),
        retryAfterSeconds: String(Math.max(1, Math.ceil((endMs - wallMs) / 1_000))),
      }),
    },
  );
}

/** Sentences about the reasons for which messages are refused. */
const refusalTexts: Readonly<Record<string, string>> = {
  NO_ACCOUNT: "chatId names no account at WhatsApp",
  STALE_DEVICES: "WhatsApp refused the message because the recipient's devices have changed; send it again",
  RATE: "WhatsApp refused the message because the account sends too fast",
  SEND_FAILED: "The engine could not send the message",
  MEDIA_REFUSED: "WhatsApp did not take the file",
  MEDIA_UNAVAILABLE: "WhatsApp did not take the file",
  NOT_A_MEMBER: "chatId names a chat that the account is not in",
  NOT_SUPPORTED: "The session's engine cannot send this kind of message to chatId",
  QUOTE_UNKNOWN: "replyTo names a message that the session does not know any more",
  BLOCKED: "The account has blocked chatId",
  FILE_LOST: "The file of the message is no longer on this machine; send it again",
  STRANGER_MENTIONED: "mentions names a person who is not in the chat",
  EXPIRED: "The message was not sent before expiresAt",
};

const statusUnexpected = (record: SessionRecord) =>
  new SessionError(
    "SESSION_STATUS_UNEXPECTED",
    "Session status is not as expected. Try again later or restart the session",
    { session: record.name, status: Status[statusOf(record)] ?? "", expected: "WORKING" },
  );

const messageNotFound = (session: string, id: string) =>
  new SessionError("MESSAGE_NOT_FOUND", "Message not found", { session, id });

const tooMany = (session: string) =>
  new SessionError("TOO_MANY_MESSAGES", `${maxWaiting} messages of the session wait already`, { session });
