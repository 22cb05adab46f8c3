import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { OutgoingMessage } from "../../../gen/sessiond/store/v1/store_pb.js";
import { Outgoing_State as State } from "../../../gen/sessiond/v1/outgoing_pb.js";
import { type Acknowledgement, acknowledged, inState, isCancellable, isUnsent } from "../../domain/outgoing.ts";
import { type Rate, TokenBucket } from "../../domain/rate.ts";
import { ConnectionLost, type Sending, SendRefused, type SentMessage } from "../../ports/sending.ts";
import { LeaseLost } from "../../ports/sessions.ts";
import type { Clock, Logger } from "../../ports/system.ts";
import { awaitWithin } from "../time-box.ts";
import { storeRetryMs } from "../wake-timer.ts";
import type { OutgoingBook } from "./outgoing-book.ts";
import type { OutgoingFiles } from "./outgoing-files.ts";

/** Time that a message may be without an acknowledgement before the next one of its chat leaves. It is UNCERTAIN then. */
const ackPatienceMs = 60_000;
/** Time in which the acknowledgement mostly comes: that a message has left is written together with it. */
const ackSoonMs = 500;

const reachoutLocked = "REACHOUT_LOCKED";

/** Options of a session's queue. */
export interface SendQueueOptions {
  readonly book: OutgoingBook;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Messages that may leave per second. */
  readonly rate: Rate;
  /** Returns what sends the session's messages now; undefined unless the session is WORKING. */
  sending(): Sending | undefined;
  /** Files of messages; left out where none are sent. */
  readonly files?: Pick<OutgoingFiles, "read" | "leave" | "retain"> | undefined;
  /** Returns the time (Unix ms) until which WhatsApp refuses a message as one that starts a chat; undefined if it may leave. */
  lockEndMs?(message: OutgoingMessage): Promise<number | undefined>;
}

/**
 * Sends the outgoing messages of one session: those of a chat one at a time, in the order of their acceptance, chats beside each other.
 * It works beside the session's runner, so that a slow upload never delays a stop.
 */
export class SendQueue {
  readonly #options: SendQueueOptions;
  readonly #bucket: TokenBucket;
  /** Ids of the messages still to be sent, by chat. */
  readonly #chats = new Map<string, string[]>();
  readonly #running = new Set<string>();
  /** Chats whose next message is being stored as one that leaves at once. */
  readonly #begun = new Set<string>();
  /** Messages that were stored so, and have not left. */
  readonly #fresh = new Set<string>();
  /** Messages that were handed to an engine, or may have been by an earlier process. WhatsApp may have them. */
  readonly #handed = new Set<string>();
  /** Called at a message's acknowledgement, and at the end of the connection. */
  readonly #acknowledgements = new Map<string, () => void>();
  /** Times at which waiting messages expire (monotonic), by id. */
  readonly #expiries = new Map<string, number>();
  #cancelExpiry = () => {};
  #sending: Sending | undefined;
  /** Aborted when the engine that sends is another one. */
  #connection = new AbortController();
  #loaded: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: SendQueueOptions) {
    this.#options = options;
    this.#bucket = new TokenBucket(options.rate);
  }

  /** Number of messages that wait. */
  get size(): number {
    return [...this.#chats.values()].reduce((sum, ids) => sum + ids.length, 0);
  }

  /** Reads the messages that an earlier process has left. Called before any other method. Idempotent. */
  load(): Promise<void> {
    this.#loaded ??= this.#load().catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    return this.#loaded;
  }

  /**
   * Returns true if a message of a chat that is accepted now leaves at once, so that it can be stored as SENDING: one write instead of
   * two. The caller calls `end` once it is stored and added.
   */
  begin(chatId: string): boolean {
    const isFree = this.#options.rate.perSecond <= 0 && !this.#chats.has(chatId) && !this.#begun.has(chatId);
    if (!isFree || !this.#sending) return false;
    this.#begun.add(chatId);
    return true;
  }

  /** Ends what `begin` has begun. */
  end(chatId: string): void {
    this.#begun.delete(chatId);
  }

  /** Adds a message that was accepted. */
  add(message: OutgoingMessage): void {
    this.#enqueue(message);
    if (message.state === State.SENDING && this.#sending) this.#fresh.add(message.id);
    this.#scheduleExpiry();
    void this.#run(message.chatId);
  }

  /** The session may have another engine, or none. */
  refresh(): void {
    const sending = this.#isClosed ? undefined : this.#options.sending();
    if (sending === this.#sending) return;
    this.#sending = sending;
    this.#connection.abort();
    this.#connection = new AbortController();
    for (const end of this.#acknowledgements.values()) end();
    this.#fresh.clear();
    if (!sending) return;
    this.load().then(
      () => this.#runAll(),
      (error: unknown) => this.#failed(error, () => this.#runAll()),
    );
  }

  /** Applies WhatsApp's report on a message. Resolves when it is written, with the message as it is then; undefined if it is unknown. */
  async acknowledge(id: string, report: Acknowledgement): Promise<OutgoingMessage | undefined> {
    const { book, clock } = this.#options;
    const after = await book.change(id, (message) => acknowledged(message, report, clock.wallMs()));
    if (after && !isUnsent(after.state)) this.#acknowledgements.get(id)?.();
    return after;
  }

  /** Cancels a message that has not left; returns it as it is now. */
  async cancel(id: string, reason: string): Promise<OutgoingMessage | undefined> {
    const { book, clock } = this.#options;
    const after = await book.change(id, (message) =>
      isCancellable(message.state) ? inState(message, State.CANCELLED, clock.wallMs(), reason) : undefined,
    );
    if (after) void this.#run(after.chatId);
    return after;
  }

  /** Cancels all that has not reached WhatsApp: the login that would have sent it is gone. */
  async cancelAll(reason: string): Promise<void> {
    const { book, clock } = this.#options;
    await this.load();
    const ids = [...this.#chats.values()].flat();
    this.#chats.clear();
    this.#handed.clear();
    await Promise.all(
      ids.map((id) =>
        book.change(id, (message) => {
          if (!isUnsent(message.state)) return undefined;
          const state = isCancellable(message.state) ? State.CANCELLED : State.UNCERTAIN;
          return inState(message, state, clock.wallMs(), reason);
        }),
      ),
    );
  }

  /** Sends no more. What is on its way is sent again by the next owner. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#cancelExpiry();
    this.refresh();
  }

  async #load(): Promise<void> {
    const { book, files } = this.#options;
    const unsent = await book.load();
    for (const message of unsent) {
      this.#enqueue(message);
      if (message.state === State.SENDING) this.#handed.add(message.id);
    }
    await files?.retain(book.session, unsent);
    this.#scheduleExpiry();
  }

  #enqueue({ id, chatId, expiresAt }: OutgoingMessage): void {
    const ids = this.#chats.get(chatId) ?? [];
    this.#chats.set(chatId, ids);
    if (ids.includes(id)) return;
    ids.push(id);
    if (expiresAt) this.#expiries.set(id, timestampMs(expiresAt));
  }

  /** Expires waiting messages at their times, also while the session does not work. */
  #scheduleExpiry(): void {
    this.#cancelExpiry();
    if (this.#isClosed || this.#expiries.size === 0) return;
    const { clock } = this.#options;
    const nextMs = Math.min(...this.#expiries.values());
    this.#cancelExpiry = clock.schedule(Math.max(0, nextMs - clock.nowMs()), () => void this.#expireAll());
  }

  async #expireAll(): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    const late = [...this.#expiries].flatMap(([id, atMs]) => (atMs <= nowMs ? [id] : []));
    for (const id of late) this.#expiries.delete(id);
    try {
      await Promise.all(late.map((id) => this.#expireOrSkip(id)));
    } catch (error) {
      for (const id of late) this.#expiries.set(id, nowMs + storeRetryMs);
      this.#options.logger.error({ err: error }, "a message could not be expired; trying again");
    }
    this.#scheduleExpiry();
  }

  #runAll(): void {
    for (const chatId of this.#chats.keys()) void this.#run(chatId);
  }

  /** Sends what waits in a chat, unless that is under way. Never rejects. */
  async #run(chatId: string): Promise<void> {
    if (this.#running.has(chatId)) return;
    this.#running.add(chatId);
    try {
      await this.#sendAll(chatId);
    } catch (error) {
      this.#failed(error, () => void this.#run(chatId));
    } finally {
      this.#running.delete(chatId);
    }
  }

  async #sendAll(chatId: string): Promise<void> {
    const ids = this.#chats.get(chatId);
    while (ids?.[0] !== undefined) {
      const [id] = ids;
      const { signal } = this.#connection;
      const isDone = await this.#sendNext(id, signal);
      if (isDone) {
        ids.shift();
        this.#expiries.delete(id);
        this.#handed.delete(id);
        this.#options.book.forget(id);
      } else if (!signal.aborted || !this.#sending) return;
    }
    this.#chats.delete(chatId);
  }

  /** Sends one message; returns true once the next one of its chat may leave. */
  async #sendNext(id: string, signal: AbortSignal): Promise<boolean> {
    const { book, clock } = this.#options;
    if ((await this.#expireOrSkip(id)) === "skip") return true;
    const sending = this.#sending;
    if (!sending || signal.aborted) return false;
    await this.#pause(this.#bucket.take(clock.nowMs()), signal);
    if (signal.aborted) return false;
    const message = this.#fresh.delete(id) ? await book.get(id) : await this.#start(id);
    if (message?.state !== State.SENDING) return true;
    const acknowledgement = this.#acknowledgementOf(id);
    try {
      const sent = await this.#hand(message, sending, signal);
      if (!sent) return (await book.get(id))?.state !== State.SENDING;
      book.note(id, (one) => ({ ...one, encoded: sent.encoded, jid: sent.jid }));
      return await this.#awaitAcknowledgement(id, acknowledgement, signal);
    } finally {
      this.#acknowledgements.delete(id);
    }
  }

  /** Writes that a message may leave from now on. */
  #start(id: string): Promise<OutgoingMessage | undefined> {
    const { book, clock } = this.#options;
    return book.change(id, (one) =>
      isUnsent(one.state) ? { ...inState(one, State.SENDING, clock.wallMs()), attempts: one.attempts + 1 } : undefined,
    );
  }

  /** Hands a message to the engine. Returns undefined if the engine has gone, or has refused it. */
  async #hand(message: OutgoingMessage, sending: Sending, signal: AbortSignal): Promise<SentMessage | undefined> {
    const { book, clock, logger } = this.#options;
    const { id } = message;
    try {
      // The phone may show a message that may have left, so it cannot be called refused.
      const mayHaveLeft = this.#handed.has(id) && !isBeforeUpload(message, sending);
      const lockEndMs = mayHaveLeft ? undefined : await this.#options.lockEndMs?.(message);
      if (lockEndMs !== undefined) throw new SendRefused(reachoutLocked, "new chats are locked", lockEndMs);
      this.#handed.add(id);
      return await this.#handWithFile(message, sending);
    } catch (error) {
      if (error instanceof ConnectionLost) await awaitWithin(clock, ackPatienceMs, aborted(signal));
      if (signal.aborted || this.#options.sending() !== sending) return undefined;
      const reason = error instanceof SendRefused ? error.reason : "SEND_FAILED";
      if (!(error instanceof SendRefused)) logger.error({ err: error, message: id }, "a message could not be sent");
      await book.change(id, (one) => acknowledged(one, { ack: -1, reason }, clock.wallMs()));
      return undefined;
    }
  }

  /** Hands a message to the engine. If the engine uploads files, what it says about the file is stored before the message leaves. */
  async #handWithFile(message: OutgoingMessage, sending: Sending): Promise<SentMessage> {
    const { book, files } = this.#options;
    const { id, content, encoded } = message;
    if (content?.kind.case !== "file" || encoded.length > 0 || !files) return sending.send(message);
    const { value: file } = content.kind;
    const open = () => files.read(book.session, file);
    return files.leave(async () => {
      if (!sending.upload) return sending.send(message, open);
      const uploaded = await sending.upload(message, open);
      const prepared = await book.change(id, (one) => ({ ...one, encoded: uploaded }));
      return sending.send(prepared ?? message);
    });
  }

  /** Waits until a message is acknowledged; returns false if the connection ends first, after which it is sent again. */
  async #awaitAcknowledgement(id: string, acknowledgement: Promise<void>, signal: AbortSignal): Promise<boolean> {
    const { book, clock } = this.#options;
    const endMs = clock.nowMs() + ackPatienceMs;
    if (!signal.aborted) await awaitWithin(clock, ackSoonMs, acknowledgement);
    if (await book.isAnswered(id)) return true;
    await book.change(id, () => undefined);
    if (!signal.aborted) await awaitWithin(clock, Math.max(0, endMs - clock.nowMs()), acknowledgement);
    const after = await book.change(id, (one) =>
      isUnsent(one.state) && !signal.aborted
        ? inState(one, State.UNCERTAIN, clock.wallMs(), "NOT_ACKNOWLEDGED")
        : undefined,
    );
    return after === undefined || !isUnsent(after.state);
  }

  /** Resolves once a message is acknowledged, or the connection has ended. */
  #acknowledgementOf(id: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#acknowledgements.set(id, resolve);
    return promise;
  }

  /** Ends a message that may not leave any more. */
  async #expireOrSkip(id: string): Promise<"send" | "skip"> {
    const { book, clock } = this.#options;
    const nowMs = clock.nowMs();
    const isLate = ({ expiresAt }: OutgoingMessage) => expiresAt !== undefined && timestampMs(expiresAt) <= nowMs;
    const present = await book.get(id);
    const isInTime = present && !isLate(present);
    const message = isInTime
      ? present
      : await book.change(id, (one) =>
          isCancellable(one.state) && isLate(one) ? inState(one, State.EXPIRED, clock.wallMs(), "EXPIRED") : undefined,
        );
    return message && isUnsent(message.state) ? "send" : "skip";
  }

  async #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    if (delayMs <= 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.schedule(delayMs, resolve);
    const end = () => resolve();
    signal.addEventListener("abort", end);
    await promise;
    signal.removeEventListener("abort", end);
    cancel();
  }

  /** A write failed: tries again later, unless the session has another owner. */
  #failed(error: unknown, again: () => void): void {
    if (error instanceof LeaseLost || this.#isClosed) return;
    this.#options.logger.error({ err: error }, "sending failed; trying again");
    this.#options.clock.schedule(storeRetryMs, again);
  }
}

/** Returns true for a message that cannot have left, as its file is still to be uploaded. */
const isBeforeUpload = ({ content, encoded }: OutgoingMessage, sending: Sending): boolean =>
  content?.kind.case === "file" && encoded.length === 0 && sending.upload !== undefined;

/** Resolves once the signal is aborted. */
async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
