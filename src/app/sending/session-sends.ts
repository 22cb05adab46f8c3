import { create } from "@bufbuild/protobuf";
import {
  type MessageLog,
  type OutgoingMessage,
  OutgoingMessageSchema,
  type SessionRecord,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import type { MessagePayload, MessagePayload_Key } from "../../../gen/sessiond/v1/event_pb.js";
import { Outgoing_State as State } from "../../../gen/sessiond/v1/outgoing_pb.js";
import { lockEndMs } from "../../domain/account.ts";
import { endpointIdsFor, endpointsOf } from "../../domain/delivery.ts";
import { messageAckEvent, messageEvents } from "../../domain/event.ts";
import { reportedKey } from "../../domain/message-log.ts";
import { acknowledged, isUnsent, voided } from "../../domain/outgoing.ts";
import { ackPayloadOf, payloadOf } from "../../domain/outgoing-payload.ts";
import type { MessageChange } from "../../domain/session.ts";
import type { MessageFiles } from "../../ports/media.ts";
import type { NewEvent } from "../../ports/outbox.ts";
import type { AckReport, NamedMessage, Sending } from "../../ports/sending.ts";
import type { Lease } from "../../ports/sessions.ts";
import type { Logger } from "../../ports/system.ts";
import { isIgnoredChat } from "../ignored-reports.ts";
import type { RunnerDeps } from "../runner-deps.ts";
import { awaitWithin } from "../time-box.ts";
import { OutgoingBook } from "./outgoing-book.ts";
import { SendQueue } from "./send-queue.ts";

/** The session that messages are sent for. */
export interface SendingSession {
  readonly lease: Lease;
  readonly logger: Logger;
  /** Returns the record as it is now. */
  record(): SessionRecord;
  /** Returns the log of the messages that it has reported. */
  messages(): MessageLog;
  /** Returns what sends the session's messages now; undefined unless the session is WORKING. */
  sending(): Sending | undefined;
  /** Returns what fetches the files of its messages now; undefined unless the session is WORKING. */
  messageFiles(): MessageFiles | undefined;
}

/** The messages that one session sends: stores them, sends them in order, and announces how far they have come. */
export class SessionSends {
  readonly #deps: RunnerDeps;
  readonly #session: SendingSession;
  readonly #book: OutgoingBook;
  readonly #queue: SendQueue;
  /** Calls that wait for WhatsApp's answer, by message. */
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(deps: RunnerDeps, session: SendingSession) {
    this.#deps = deps;
    this.#session = session;
    this.#book = new OutgoingBook({
      store: deps.backend.outgoing,
      lease: session.lease,
      events: (before, after) => this.#events(before, after),
      changed: (message) => this.#changed(message),
    });
    this.#queue = new SendQueue({
      book: this.#book,
      clock: deps.clock,
      logger: session.logger,
      rate: deps.sendRate ?? { perSecond: 0, burst: 0 },
      sending: () => session.sending(),
      files: deps.files,
      lockEndMs: (message) => this.lockEndMs(message),
    });
  }

  /** Number of messages that wait to be sent. */
  get size(): number {
    return this.#queue.size;
  }

  /** Sender of the session's messages; undefined unless the session is WORKING. */
  get sending(): Sending | undefined {
    return this.#session.sending();
  }

  /**
   * Returns the time (Unix ms, Infinity if it is not known) until which WhatsApp refuses a message, because it has locked new chats of
   * the account. Undefined if the message may leave: each that is refused would count against the account.
   */
  async lockEndMs({ chatId, force }: Pick<OutgoingMessage, "chatId" | "force">): Promise<number | undefined> {
    const endMs = lockEndMs(this.#session.record().me?.reachoutTimelock, this.#deps.clock.wallMs());
    if (force || endMs === undefined) return undefined;
    return (await this.sending?.limits?.isNewChat(chatId)) ? endMs : undefined;
  }

  /** Fetches the files of the session's messages; undefined unless the session is WORKING. */
  get messageFiles(): MessageFiles | undefined {
    return this.#session.messageFiles();
  }

  /**
   * Stores a message and has it sent. Returns the stored one, which an earlier call with the same id or key may have brought. `isNewId`:
   * the id was made for this message.
   */
  async accept(message: OutgoingMessage, isNewId = false): Promise<{ message: OutgoingMessage; isNew: boolean }> {
    await this.#queue.load();
    const leavesAtOnce = this.#queue.begin(message.chatId);
    try {
      const accepted = await this.#book.accept(
        leavesAtOnce ? { ...message, state: State.SENDING, attempts: 1 } : message,
        isNewId,
      );
      if (accepted.isNew) this.#queue.add(accepted.message);
      return accepted;
    } finally {
      if (leavesAtOnce) this.#queue.end(message.chatId);
    }
  }

  /** Returns a message; undefined if the session has none with this id. */
  find(id: string): Promise<OutgoingMessage | undefined> {
    return this.#book.present(id);
  }

  /** Returns a message once WhatsApp has answered, or as it is after `limitMs`. */
  async answered(id: string, limitMs: number): Promise<OutgoingMessage | undefined> {
    const answer = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting.add(answer.resolve));
    try {
      const now = await this.#book.get(id);
      if (!now || !isUnsent(now.state)) return now;
      await awaitWithin(this.#deps.clock, limitMs, answer.promise);
      return await this.#book.get(id);
    } finally {
      waiting.delete(answer.resolve);
      if (waiting.size === 0) this.#waiting.delete(id);
    }
  }

  /** Returns the key of a message that another one can reply or react to; undefined if neither the engine nor the log knows it. */
  async findKey(name: NamedMessage): Promise<MessagePayload_Key | undefined> {
    // An engine has forgotten what came before its start, unless it stores chats.
    return (await this.sending?.findMessage(name)) ?? reportedKey(this.#session.messages(), name);
  }

  /** Cancels a message that has not left; returns it as it is now. */
  cancel(id: string): Promise<OutgoingMessage | undefined> {
    return this.#queue.cancel(id, "CALLER");
  }

  /** Cancels all that waits: the login is gone. */
  cancelAll(): Promise<void> {
    return this.#queue.cancelAll("LOGGED_OUT");
  }

  /** Forgets the copy of a message that was edited or deleted, so that no recipient gets it again. Resolves when that is written. */
  async takeChange(change: MessageChange): Promise<void> {
    const id = changedIdOf(change);
    if (id !== undefined) await this.#book.change(id, (message) => voided(message, change));
  }

  /** Applies WhatsApp's report on a message, or announces it for a message from another device. Resolves when it is written. */
  async acknowledge({ id, chatId, ...report }: AckReport): Promise<void> {
    const known = await this.#queue.acknowledge(id, report);
    if (known || chatId === undefined) return;
    const before = create(OutgoingMessageSchema, { id, chatId, jid: chatId, state: State.SENDING });
    const after = acknowledged(before, report, this.#deps.clock.wallMs());
    if (!after) return;
    // A group's members are announced one by one; how far the message is as a whole is not known.
    const from = report.participant === undefined ? before : { ...before, state: after.state };
    const events = this.#events(from, after);
    if (events.length > 0) await this.#deps.backend.outgoing.write(this.#session.lease, { messages: [], events });
  }

  /** The session's status or its engine may be another. */
  refresh(): void {
    this.#queue.refresh();
  }

  /** Sends no more. Idempotent. */
  close(): void {
    this.#queue.close();
  }

  #changed(message: OutgoingMessage): void {
    const { id, state } = message;
    void this.#deps.files?.release(this.#session.lease.session, message);
    if (isUnsent(state)) return;
    for (const answer of this.#waiting.get(id) ?? []) answer();
  }

  /** Returns the events that announce a change: that the message left, and each step of its acknowledgement. */
  #events(before: OutgoingMessage, after: OutgoingMessage): NewEvent[] {
    const record = this.#session.record();
    if (isIgnoredChat(after.chatId, record, this.#deps)) return [];
    const { me } = record;
    const context = this.#context();
    const hasLeft = before.jid === "" && after.jid !== "";
    const isStep = before.state !== after.state && after.state !== State.SENDING;
    const members = Object.entries(after.participants).filter(
      ([member, state]) => before.participants[member] !== state,
    );
    const events = [
      // Its acknowledgement may be in the same write.
      ...(hasLeft ? messageEvents(record, this.#payloadOf({ ...after, state: State.SENDING }), context) : []),
      ...(isStep ? [messageAckEvent(record, ackPayloadOf(after, me, after.state), context)] : []),
      ...members.map(([member, state]) => messageAckEvent(record, ackPayloadOf(after, me, state, member), context)),
    ];
    const endpoints = endpointsOf(record.config?.webhooks ?? [], this.#deps.globalWebhook);
    return events.map((event) => ({ event, endpointIds: endpointIdsFor(event.name, endpoints) }));
  }

  #payloadOf(message: OutgoingMessage): MessagePayload {
    const record = this.#session.record();
    const payload = payloadOf(message, record.me);
    return this.#deps.fileLinks?.link(record, payload) ?? payload;
  }

  #context() {
    const nowMs = this.#deps.clock.wallMs();
    return { nowMs, ulid: () => this.#deps.random.ulid(nowMs) };
  }
}

/** Returns WhatsApp's id of the message that was edited or deleted. */
function changedIdOf(change: MessageChange): string | undefined {
  if (change.case === "messageEdited") return change.value.editedMessageId;
  return change.case === "messageRevoked" ? change.value.revokedMessageId : undefined;
}
