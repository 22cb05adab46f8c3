import { type ReadonlySignal, signal } from "@preact/signals";
import { Session_View as View } from "../../../gen/sessiond/v1/session_pb.js";
import { eventClient, sessionClient } from "../api/clients.ts";
import { FrameQueue } from "../live/frame-queue.ts";
import { type Connection, keepConnected } from "../live/reconnect.ts";
import { withStreamSlot } from "../live/stream-slots.ts";
import { whileVisible } from "../live/visibility.ts";
import { rowOfEvent, type TailRow } from "./event-row.ts";

/** Which events are streamed. Empty lists accept everything. */
export interface EventFilter {
  readonly sessions: readonly string[];
  readonly names: readonly string[];
}

/** "waiting" while other tabs hold all streams that the browser has for views. */
export type EventFeedState = "connecting" | "waiting" | "live" | "lost";

/** Rows in memory. Older ones are dropped. */
export const maxRows = 1_000;
/** Positions of the log before the latest one at which a tail begins: of all sessions, or of few. */
const recentOfAll = 500;
const recentOfFew = 5_000;
/** After a pause that is longer than this many positions, the tail begins anew. */
const maxCatchUp = 5_000;

/** Follows the log of events from its recent end on. Holds a stream while it runs and the page is visible, and resumes where it stood. */
export class EventFeed {
  readonly #filter: EventFilter;
  readonly #rows = signal<readonly TailRow[]>([]);
  readonly #state = signal<EventFeedState>("connecting");
  readonly #queue = new FrameQueue<TailRow>((rows) => this.#take(rows));
  #cursor: bigint | undefined;
  #gaps = 0;

  constructor(filter: EventFilter) {
    this.#filter = filter;
  }

  /** The latest rows, newest first. */
  get rows(): ReadonlySignal<readonly TailRow[]> {
    return this.#rows;
  }

  get state(): ReadonlySignal<EventFeedState> {
    return this.#state;
  }

  clear(): void {
    this.#rows.value = [];
  }

  /** Follows until the signal aborts. It can be called again afterwards. */
  async run(signal: AbortSignal): Promise<void> {
    const setState = (state: EventFeedState) => {
      this.#state.value = state;
    };
    await whileVisible(signal, (visible) =>
      withStreamSlot(
        visible,
        () => setState("waiting"),
        (held) =>
          keepConnected(
            held,
            (connection) => this.#stream(connection),
            () => setState("lost"),
          ),
      ),
    );
  }

  async #stream(connection: Connection): Promise<void> {
    const { signal } = connection;
    const cursor = await this.#startPosition(signal);
    const request = { sessions: [...this.#filter.sessions], names: [...this.#filter.names], cursor };
    const onHeader = () => {
      connection.answered();
      this.#state.value = "live";
    };
    try {
      for await (const { seq, item } of eventClient.streamEvents(request, { signal, onHeader })) {
        connection.answered();
        if (item.case === "event") this.#queue.add([rowOfEvent(item.value)]);
        else if (item.case === "gap") this.#addGap("Events before this place are no longer stored.");
        if (seq > 0n) this.#cursor = seq;
      }
    } finally {
      this.#queue.flush();
    }
    throw new Error("the stream has ended");
  }

  /** Returns the position after which to stream: where the last stream stood, unless too much has happened since. */
  async #startPosition(signal: AbortSignal): Promise<bigint> {
    const { seq: latest } = await sessionClient.listSessions(
      { all: true, view: View.SUMMARY, pageSize: 1 },
      { signal },
    );
    const recent = BigInt(this.#filter.sessions.length === 0 ? recentOfAll : recentOfFew);
    if (this.#cursor !== undefined && latest - this.#cursor <= maxCatchUp) return this.#cursor;
    if (this.#cursor !== undefined)
      this.#addGap("Events before this place were left out: too many happened meanwhile.");
    this.#cursor = latest > recent ? latest - recent : 0n;
    return this.#cursor;
  }

  /** Marks a gap after the rows so far. Before the first row nothing is missed. */
  #addGap(summary: string): void {
    this.#queue.flush();
    if (this.#rows.peek().length === 0) return;
    this.#gaps += 1;
    this.#queue.add([{ kind: "gap", key: `gap-${this.#gaps}`, summary }]);
  }

  #take(rows: readonly TailRow[]): void {
    this.#rows.value = [...rows.toReversed(), ...this.#rows.peek()].slice(0, maxRows);
  }
}
