import { type ReadonlySignal, signal } from "@preact/signals";
import { Session_View as View } from "../../../gen/sessiond/v1/session_pb.js";
import {
  StatusStreamResponse_Kind as Kind,
  type StatusStreamResponse,
} from "../../../gen/sessiond/v1/session_service_pb.js";
import { sessionClient } from "../api/clients.ts";
import { baseUrl } from "../base-url.ts";
import { rowOfItem, rowOfSession } from "../sessions/session-row.ts";
import type { SessionChange, SessionStore } from "../sessions/session-store.ts";
import { createElection } from "./election.ts";
import { FrameQueue } from "./frame-queue.ts";
import { type Connection, keepConnected } from "./reconnect.ts";
import { pause } from "./signals.ts";
import { whileVisible } from "./visibility.ts";

/** "loading" until the first list is complete; "lost" while the server cannot be reached. */
export type FeedState = "loading" | "live" | "lost";

/** Message of the tab that holds the stream to the other tabs. */
type TabMessage =
  | {
      readonly kind: "changes";
      readonly changes: readonly SessionChange[];
      readonly fromSeq: bigint;
      readonly toSeq: bigint;
    }
  | { readonly kind: "state"; readonly state: FeedState; readonly seq: bigint }
  /** The leader is asked for its state by a tab that has become visible. */
  | { readonly kind: "hello" }
  /** The server has another log than before: what is known is void. */
  | { readonly kind: "reset" };

const pageSize = 1_000;
const retryMs = 2_000;

/**
 * Keeps a store up to date. One tab of the browser holds a stream and passes its items on, because over plain HTTP all tabs together have
 * six connections. Hidden tabs hold none. A tab that has missed items lists the sessions again.
 */
export class SessionFeed {
  readonly #store: SessionStore;
  readonly #state = signal<FeedState>("loading");
  readonly #total = signal<number | undefined>(undefined);
  readonly #election = createElection(`sessiond-status ${baseUrl}`);
  #listing: Promise<void> | undefined;
  #stopping = new AbortController();

  constructor(store: SessionStore) {
    this.#store = store;
  }

  get state(): ReadonlySignal<FeedState> {
    return this.#state;
  }

  /** Number of sessions at the server, known from the first page of the list on. */
  get total(): ReadonlySignal<number | undefined> {
    return this.#total;
  }

  start(): void {
    this.#stopping = new AbortController();
    void whileVisible(this.#stopping.signal, (visible) => this.#follow(visible));
  }

  /** Ends all calls, and forgets the sessions. */
  stop(): void {
    this.#stopping.abort();
    this.#store.clear();
    this.#state.value = "loading";
    this.#total.value = undefined;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const channel = new BroadcastChannel(`sessiond-status ${baseUrl}`);
    const queue = new FrameQueue<SessionChange>((changes) => this.#store.apply(changes));
    channel.onmessage = ({ data }: MessageEvent<TabMessage>) => this.#hear(data, queue, signal);
    post(channel, { kind: "hello" });
    try {
      const list = this.#state.peek() === "loading" ? this.#list(signal) : undefined;
      await this.#election.lead(signal, async (leading) => {
        await list;
        await new Leader(this.#store, channel, {
          list: () => this.#list(leading),
          onState: (state) => this.#setState(state),
        }).run(leading);
      });
    } finally {
      queue.flush();
      channel.close();
    }
  }

  #hear(message: TabMessage, queue: FrameQueue<SessionChange>, signal: AbortSignal): void {
    if (message.kind === "changes") {
      queue.add(message.changes);
      if (message.fromSeq > this.#store.seq) void this.#list(signal);
      else if (message.toSeq > this.#store.seq) this.#store.seq = message.toSeq;
    } else if (message.kind === "state") {
      if (this.#state.peek() !== "loading") this.#setState(message.state);
      if (message.seq > this.#store.seq) void this.#list(signal);
    } else if (message.kind === "reset") {
      this.#store.clear();
      void this.#list(signal);
    }
  }

  #setState(state: FeedState): void {
    this.#state.value = state;
  }

  /** Lists all sessions, page by page; again until it works. Calls during a listing share it. */
  #list(signal: AbortSignal): Promise<void> {
    this.#listing ??= this.#listUntilComplete(signal).finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }

  async #listUntilComplete(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#listOnce(signal);
        this.#setState("live");
        return;
      } catch {
        if (signal.aborted) return;
        if (this.#state.peek() !== "loading" || this.#store.size === 0) this.#setState("lost");
        await pause(retryMs, signal);
      }
    }
  }

  async #listOnce(signal: AbortSignal): Promise<void> {
    const names = new Set<string>();
    let firstSeq: bigint | undefined;
    let pageToken = "";
    do {
      const request = { all: true, view: View.SUMMARY, pageSize, pageToken };
      const page = await sessionClient.listSessions(request, { signal });
      firstSeq ??= page.seq;
      this.#total.value = page.totalSize;
      for (const { name } of page.sessions) names.add(name);
      this.#store.apply(page.sessions.map((session) => ({ kind: "row", row: rowOfSession(session, page.seq) })));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    this.#store.keepOnly(names, firstSeq);
    if (firstSeq > this.#store.seq) this.#store.seq = firstSeq;
  }
}

interface LeaderOptions {
  readonly list: () => Promise<void>;
  readonly onState: (state: FeedState) => void;
}

/** Holds the stream for all tabs. */
class Leader {
  readonly #store: SessionStore;
  readonly #channel: BroadcastChannel;
  readonly #options: LeaderOptions;
  readonly #queue: FrameQueue<StatusStreamResponse>;
  #state: FeedState = "loading";

  constructor(store: SessionStore, channel: BroadcastChannel, options: LeaderOptions) {
    this.#store = store;
    this.#channel = channel;
    this.#options = options;
    this.#queue = new FrameQueue((items) => this.#take(items));
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#channel.addEventListener("message", ({ data }: MessageEvent<TabMessage>) => {
      if (data.kind === "hello" && !signal.aborted) this.#announce(this.#state);
    });
    await keepConnected(
      signal,
      (connection) => this.#stream(connection),
      () => this.#announce("lost"),
    );
  }

  async #stream(connection: Connection): Promise<void> {
    const request = { details: true, afterSeq: this.#store.seq };
    const onHeader = () => {
      connection.answered();
      this.#announce("live");
    };
    try {
      for await (const item of sessionClient.statusStream(request, { signal: connection.signal, onHeader })) {
        connection.answered();
        if (item.kind === Kind.GAP) return await this.#startAnew();
        this.#queue.add([item]);
      }
    } finally {
      this.#queue.flush();
    }
    throw new Error("the stream has ended");
  }

  /** The server no longer has the changes in between, or has another log. */
  async #startAnew(): Promise<void> {
    this.#store.clear();
    post(this.#channel, { kind: "reset" });
    await this.#options.list();
  }

  #take(items: readonly StatusStreamResponse[]): void {
    const changes = items.flatMap((item) => changeOf(item) ?? []);
    const fromSeq = this.#store.seq;
    const toSeq = items.reduce((seq, item) => (item.seq > seq ? item.seq : seq), fromSeq);
    this.#store.apply(changes);
    this.#store.seq = toSeq;
    if (toSeq > fromSeq) post(this.#channel, { kind: "changes", changes, fromSeq, toSeq });
  }

  #announce(state: FeedState): void {
    this.#state = state;
    this.#options.onState(state);
    post(this.#channel, { kind: "state", state, seq: this.#store.seq });
  }
}

function changeOf(item: StatusStreamResponse): SessionChange | undefined {
  if (item.kind === Kind.DELETED) return { kind: "deleted", name: item.name, seq: item.seq };
  if (item.kind === Kind.HEARTBEAT) return undefined;
  return { kind: "row", row: rowOfItem(item) };
}

function post(channel: BroadcastChannel, message: TabMessage): void {
  channel.postMessage(message);
}
