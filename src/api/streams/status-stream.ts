import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { SessionRecord } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import {
  StatusStreamResponse_Kind as Kind,
  type StatusStreamRequest,
  type StatusStreamResponse,
  StatusStreamResponseSchema,
} from "../../../gen/sessiond/v1/session_service_pb.js";
import { sessionNotFound } from "../../domain/errors.ts";
import { LogTrimmed } from "../../ports/event-log.ts";
import type { Sessions } from "../../ports/sessions.ts";
import { endOf } from "../errors.ts";
import {
  type LiveStreamOptions,
  type LogSource,
  liveStream,
  passes,
  passesEvent,
  type SessionFilter,
  type StreamPolicy,
  sessionFilter,
} from "./live-stream.ts";
import { changeItem, coalesced, type ItemContext, snapshotItem } from "./status-items.ts";

/** The ports that a stream of statuses reads. */
export interface StatusSource {
  readonly sessions: Pick<Sessions, "list" | "get">;
  readonly log: LogSource;
  readonly itemContext: ItemContext;
}

/** Options of a stream of statuses. */
export interface StatusStreamOptions extends Omit<LiveStreamOptions<StatusStreamResponse>, "beat"> {
  readonly policy: StreamPolicy;
}

/**
 * The state of the sessions asked for, then every change; or, after a place in the log, every change since. That of one
 * session named by `session` ends when it is deleted, and any with the first item of a status in `until`.
 */
export function statusStream(
  source: StatusSource,
  request: StatusStreamRequest,
  options: StatusStreamOptions,
): AsyncIterable<StatusStreamResponse> {
  const { session, until } = request;
  const isLast = ({ status, kind }: StatusStreamResponse) =>
    until.includes(status) || (session !== "" && kind === Kind.DELETED);
  const reader = new StatusReader(source, request, options);
  return liveStream((signal) => reader.read(signal), { ...options, beat: reader.beat, isLast });
}

/** Reads the log for one stream. */
class StatusReader {
  readonly #source: StatusSource;
  readonly #request: StatusStreamRequest;
  readonly #filter: SessionFilter;
  readonly #options: StatusStreamOptions;
  /** All up to here has been read, and taken from this reader. */
  #knownSeq: bigint;

  constructor(source: StatusSource, request: StatusStreamRequest, options: StatusStreamOptions) {
    this.#source = source;
    this.#request = request;
    this.#filter = sessionFilter(request.session, request.sessions, request.metadata);
    this.#options = options;
    this.#knownSeq = request.afterSeq;
  }

  /** Returns the heartbeat of a quiet stream, with its place in the log. */
  readonly beat = (wallMs: number): StatusStreamResponse =>
    create(StatusStreamResponseSchema, { kind: Kind.HEARTBEAT, seq: this.#knownSeq, time: timestampFromMs(wallMs) });

  /** All in one generator, as far as it waits for news: there may be very many of them. */
  async *read(signal: AbortSignal): AsyncGenerator<StatusStreamResponse, void, void> {
    const { afterSeq } = this.#request;
    // Events logged before the reader came are history: read whole, at the reader's pace.
    let historySeq = await this.#source.log.lastSeq();
    // A cursor beyond the end of the log belongs to another log.
    let isGap = afterSeq > historySeq;
    let seq = afterSeq;
    if (afterSeq > 0n && !isGap && !(await this.#canResume(signal))) throw sessionNotFound(this.#request.session);
    for (;;) {
      if (isGap) yield this.#gap();
      if (isGap || seq === 0n) seq = historySeq = yield* this.#snapshot();
      isGap = false;
      let slowAtSeq: bigint | undefined;
      try {
        for await (const event of this.#source.log.events(this.#filter.topic, seq, signal)) {
          if (event.seq > historySeq && this.#isSlow(event.seq)) {
            slowAtSeq = event.seq;
            break;
          }
          const item = this.#itemOf(event);
          if (item) yield item;
          this.#knownSeq = event.seq;
        }
        if (slowAtSeq === undefined) throw endOf(signal);
        seq = await this.#source.log.lastSeq();
        yield* await this.#latest(slowAtSeq - 1n, seq, signal);
        this.#knownSeq = seq;
      } catch (error) {
        if (!(error instanceof LogTrimmed)) throw error;
        isGap = true;
      }
    }
  }

  /** Returns true if the reader can resume: the session exists, or the log still has events of it. */
  async #canResume(signal: AbortSignal): Promise<boolean> {
    const { session, afterSeq } = this.#request;
    if (session === "" || (await this.#source.sessions.get(session)).record) return true;
    try {
      const events = this.#source.log.events(session, afterSeq, signal, await this.#source.log.lastSeq());
      for await (const _ of events) return true;
    } catch (error) {
      if (!(error instanceof LogTrimmed)) throw error;
    }
    return false;
  }

  async *#snapshot(): AsyncGenerator<StatusStreamResponse, bigint, void> {
    const { records, seq } = await this.#records();
    const wallMs = this.#options.clock.wallMs();
    // Only the last item has a place: a reader of a part of the snapshot is not there yet.
    const { itemContext } = this.#source;
    for (const record of records.slice(0, -1)) yield snapshotItem(record, 0n, wallMs, itemContext);
    for (const record of records.slice(-1)) yield snapshotItem(record, seq, wallMs, itemContext);
    this.#knownSeq = seq;
    return seq;
  }

  async #records(): Promise<{ records: SessionRecord[]; seq: bigint }> {
    const { session } = this.#request;
    if (session === "") {
      const { records, seq } = await this.#source.sessions.list();
      return { records: records.filter((one) => passes(this.#filter, one.name, one.config?.metadata)), seq };
    }
    const { record, seq } = await this.#source.sessions.get(session);
    if (!record) throw sessionNotFound(session);
    return { records: passes(this.#filter, session, record.config?.metadata) ? [record] : [], seq };
  }

  #isSlow(seq: bigint): boolean {
    return this.#source.log.seenSeq() - seq > BigInt(this.#options.policy.maxLag);
  }

  /** The last change of each session in a stretch of the log, in its order; it ends with a status that is waited for. */
  async #latest(afterSeq: bigint, throughSeq: bigint, signal: AbortSignal): Promise<StatusStreamResponse[]> {
    const latest = new Map<string, StatusStreamResponse>();
    const events = this.#source.log.events(this.#filter.topic, afterSeq, signal, throughSeq);
    for await (const event of events) {
      const item = this.#itemOf(event);
      if (!item) continue;
      const skipped = latest.delete(item.name);
      latest.set(item.name, skipped ? coalesced(item) : item);
      if (this.#request.until.includes(item.status)) break;
    }
    return [...latest.values()];
  }

  #itemOf(event: Event): StatusStreamResponse | undefined {
    return passesEvent(this.#filter, event) ? changeItem(event, this.#request.details) : undefined;
  }

  #gap(): StatusStreamResponse {
    const time = timestampFromMs(this.#options.clock.wallMs());
    return create(StatusStreamResponseSchema, { kind: Kind.GAP, time, name: this.#request.session });
  }
}
