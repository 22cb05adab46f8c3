import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { SessionRecord_Phase as Phase, SessionRecordSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import { type Event, EventSchema } from "../../../gen/sessiond/v1/event_pb.js";
import { Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import { deletedEventName } from "../../../src/domain/event.ts";
import { LogTrimmed } from "../../../src/ports/event-log.ts";
import { epochMs } from "../../support/fake-clock.ts";

/** Creates a session.status event for the beginning of a status. */
export const statusEvent = (seq: bigint, session: string, status = Status.STARTING, metadata = {}): Event =>
  create(EventSchema, {
    seq,
    session,
    metadata,
    name: "session.status",
    time: timestampFromMs(epochMs),
    payload: {
      case: "sessionStatus",
      value: { status, statuses: [{ status, time: timestampFromMs(epochMs) }] },
    },
  });

export const messageEvent = (seq: bigint, session: string): Event =>
  create(EventSchema, { seq, session, name: "message", payload: { case: "message", value: {} } });

export const deletion = (seq: bigint, session: string): Event =>
  create(EventSchema, { seq, session, name: deletedEventName, time: timestampFromMs(epochMs) });

/** Resolves when every stream of a LogSource has read all there is: a LogSource answers without I/O. */
export const allRead = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** In-memory log that a test writes and trims, with its sessions. */
export class LogSource {
  /** Metadata by session. */
  readonly metadata = new Map<string, Record<string, string>>();
  readonly log = this;
  readonly cursors = new Map<string, bigint>();
  #events: Event[] = [];
  #oldestSeq = 1n;
  #seq: bigint;
  #wake = Promise.withResolvers<void>();
  readonly sessions = {
    get: async (name: string) => {
      const metadata = this.metadata.get(name);
      return { record: metadata && recordOf(name, metadata), pairing: undefined, seq: this.#seq };
    },
    list: async () => ({
      records: [...this.metadata].map(([name, metadata]) => recordOf(name, metadata)),
      seq: this.#seq,
    }),
  };

  constructor(seq = 0n) {
    this.#seq = seq;
  }

  add(...events: Event[]): void {
    this.#events.push(...events);
    this.#seq = events.at(-1)?.seq ?? this.#seq;
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  /** Drops the events before a position. */
  trim(oldestSeq: bigint): void {
    this.#oldestSeq = oldestSeq;
    this.#events = this.#events.filter(({ seq }) => seq >= oldestSeq);
  }

  lastSeq = async () => this.#seq;
  seenSeq = () => this.#seq;

  async *events(session: string | undefined, afterSeq: bigint, signal: AbortSignal, throughSeq?: bigint) {
    let cursor = afterSeq;
    const ended = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    while (!signal.aborted) {
      if (this.#oldestSeq > cursor + 1n) throw new LogTrimmed(this.#oldestSeq);
      const next = this.#events.find(({ seq }) => seq > cursor);
      if (throughSeq !== undefined && (!next || next.seq > throughSeq)) return;
      if (next) {
        cursor = next.seq;
        if (session === undefined || next.session === session) yield next;
      } else await Promise.race([this.#wake.promise, ended]);
    }
  }

  async acknowledge(consumer: string, cursor: bigint) {
    const kept = this.cursors.get(consumer) ?? 0n;
    this.cursors.set(consumer, kept > cursor ? kept : cursor);
    return this.cursors.get(consumer) ?? 0n;
  }

  acknowledged = async (consumer: string) => this.cursors.get(consumer);
}

const recordOf = (name: string, metadata: Record<string, string>) =>
  create(SessionRecordSchema, { name, phase: Phase.WORKING, config: { metadata } });
