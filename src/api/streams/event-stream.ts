import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import {
  type StreamEventsRequest,
  type StreamEventsResponse,
  type StreamEventsResponse_Gap,
  StreamEventsResponse_GapSchema,
  StreamEventsResponseSchema,
} from "../../../gen/sessiond/v1/event_service_pb.js";
import { deepFreeze } from "../../domain/deep-freeze.ts";
import { SessionError } from "../../domain/errors.ts";
import { updatedEventName } from "../../domain/event.ts";
import { type EventLog, LogTrimmed } from "../../ports/event-log.ts";
import { endOf } from "../errors.ts";
import {
  type LiveStreamOptions,
  type LogSource,
  liveStream,
  passesEvent,
  type SessionFilter,
  type StreamPolicy,
  sessionFilter,
} from "./live-stream.ts";

/** The part of the log that a stream of events uses. */
export type EventSource = Pick<EventLog, "events" | "lastSeq" | "seenSeq" | "acknowledge" | "acknowledged">;

/** Options of a stream of events. */
export interface EventStreamOptions extends Omit<LiveStreamOptions<StreamEventsResponse>, "beat"> {
  readonly policy: StreamPolicy;
}

/** Yields the events after a cursor, then new ones. Ends with READER_TOO_SLOW if the reader falls behind new events; catching up takes any time. */
export async function* eventStream(
  source: EventSource,
  request: StreamEventsRequest,
  options: EventStreamOptions,
): AsyncGenerator<StreamEventsResponse, void, void> {
  const cursor = await startOf(source, request);
  const reader = new EventReader(source, request, cursor, options.policy);
  yield* liveStream((signal) => reader.read(signal), { ...options, beat: reader.beat });
}

/** Returns the `seq` after which a stream begins. That of a new consumer is stored at once, so that it misses nothing from here on. */
async function startOf(source: EventSource, { cursor, consumer }: StreamEventsRequest): Promise<bigint> {
  const endSeq = await source.lastSeq();
  if (consumer === "") return cursor ?? endSeq;
  const acknowledged = await source.acknowledged(consumer);
  if (acknowledged === undefined) await source.acknowledge(consumer, cursor ?? endSeq);
  return cursor ?? acknowledged ?? endSeq;
}

/** Reads the log for one stream. */
class EventReader {
  readonly #source: LogSource;
  readonly #filter: SessionFilter;
  readonly #names: ReadonlySet<string>;
  readonly #maxLag: bigint;
  /** All up to here has been read, and taken from this reader. */
  #knownSeq: bigint;

  constructor(source: LogSource, request: StreamEventsRequest, cursor: bigint, { maxLag }: StreamPolicy) {
    this.#source = source;
    this.#filter = sessionFilter(request.session, request.sessions);
    this.#names = new Set(request.names.includes("*") ? [] : request.names);
    this.#maxLag = BigInt(maxLag);
    this.#knownSeq = cursor;
  }

  /** Returns the heartbeat of a quiet stream, with its place in the log. */
  readonly beat = (wallMs: number): StreamEventsResponse =>
    create(StreamEventsResponseSchema, {
      seq: this.#knownSeq,
      item: { case: "heartbeat", value: timestampFromMs(wallMs) },
    });

  async *read(signal: AbortSignal): AsyncGenerator<StreamEventsResponse, void, void> {
    if (this.#knownSeq > (await this.#source.lastSeq())) {
      // A cursor of another log: all of this one is news.
      this.#knownSeq = 0n;
      yield gap();
    }
    for (;;) {
      try {
        yield* this.#events(signal);
        throw endOf(signal);
      } catch (error) {
        if (!(error instanceof LogTrimmed)) throw error;
        if (this.#knownSeq > 0n) yield gap({ oldestSeq: error.oldestSeq });
        this.#knownSeq = error.oldestSeq - 1n;
      }
    }
  }

  async *#events(signal: AbortSignal): AsyncGenerator<StreamEventsResponse, void, void> {
    const historySeq = await this.#source.lastSeq();
    for await (const event of this.#source.events(this.#filter.topic, this.#knownSeq, signal)) {
      if (event.seq > historySeq && this.#source.seenSeq() - event.seq > this.#maxLag) throw this.#tooSlow();
      if (this.#isWanted(event)) yield itemOf(event);
      this.#knownSeq = event.seq;
    }
  }

  #isWanted(event: Event): boolean {
    // Asked for by name only: it is no event of WAHA's, and statuses announce most changes.
    const isNamed = this.#names.size === 0 ? event.name !== updatedEventName : this.#names.has(event.name);
    return isNamed && passesEvent(this.#filter, event);
  }

  #tooSlow(): SessionError {
    const cursor = String(this.#knownSeq);
    return new SessionError("READER_TOO_SLOW", `The reader is too slow: go on from cursor ${cursor}`, { cursor });
  }
}

/** Items by event: all streams send the same one. They are frozen, so that each is encoded once. */
const items = new WeakMap<Event, StreamEventsResponse>();

function itemOf(event: Event): StreamEventsResponse {
  const known = items.get(event);
  if (known) return known;
  const item = create(StreamEventsResponseSchema, { seq: event.seq, item: { case: "event", value: event } });
  items.set(event, deepFreeze(item));
  return item;
}

const gap = (init: Partial<Pick<StreamEventsResponse_Gap, "oldestSeq">> = {}) =>
  create(StreamEventsResponseSchema, {
    item: { case: "gap", value: create(StreamEventsResponse_GapSchema, init) },
  });
