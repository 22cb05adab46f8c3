import { create } from "@bufbuild/protobuf";
import {
  FollowRequestSchema,
  type FollowResponse,
  PeerService,
} from "../../../gen/sessiond/peer/v1/peer_service_pb.js";
import type { ClusterNode, GivenSession, LoggedEvents, Placement } from "../../ports/cluster.ts";
import type { MonotonicClock } from "../../ports/system.ts";
import type { EndedLogin } from "./news.ts";
import type { Peers } from "./peers.ts";

/** Dependencies of the reader of other nodes' news. */
export interface NewsReaderOptions {
  readonly placement: Pick<Placement, "self" | "nodes">;
  readonly peers: Peers;
  readonly clock: MonotonicClock;
  /** Another node has logged events. */
  onLogged(logged: LoggedEvents): void;
  /** Somebody has logged out at another node. */
  onEndedLogin(login: EndedLogin): void;
  /** Another node has given a session away. */
  onGiven(given: GivenSession): void;
}

/** Interval at which nodes that have come or gone are noticed. */
const lookMs = 1_000;
/** Pause before a stream that has ended is opened again. */
const pauseMs = 500;

/** Follows the news of every living node, with one stream for each. */
export class NewsReader {
  readonly #options: NewsReaderOptions;
  readonly #streams = new Map<string, AbortController>();
  readonly #closing = new AbortController();
  #cancelLook = () => {};

  constructor(options: NewsReaderOptions) {
    this.#options = options;
  }

  /** Starts to follow. Must be called once. */
  start(): void {
    void this.#look();
  }

  /** Ends all streams. */
  close(): void {
    this.#closing.abort();
    this.#cancelLook();
    for (const stream of this.#streams.values()) stream.abort();
  }

  async #look(): Promise<void> {
    const { placement, clock } = this.#options;
    // If the store is away, the nodes are those that were there before.
    const nodes = await placement.nodes().catch(() => undefined);
    if (this.#closing.signal.aborted) return;
    if (nodes) this.#followAll(nodes.filter(({ name, isAlive }) => isAlive && name !== placement.self));
    this.#cancelLook = clock.schedule(lookMs, () => void this.#look());
  }

  #followAll(nodes: readonly ClusterNode[]): void {
    const wanted = new Map(nodes.map((node) => [`${node.name} ${node.epoch} ${node.url}`, node]));
    for (const [key, stream] of this.#streams) {
      if (wanted.has(key)) continue;
      this.#streams.delete(key);
      stream.abort();
    }
    for (const [key, node] of wanted) {
      if (this.#streams.has(key)) continue;
      const stream = new AbortController();
      this.#streams.set(key, stream);
      void this.#follow(node, stream.signal);
    }
  }

  /** Follows one node until `signal` aborts. Never rejects. */
  async #follow(node: ClusterNode, signal: AbortSignal): Promise<void> {
    const { peers, clock } = this.#options;
    while (!signal.aborted) {
      try {
        const peer = peers.to(node);
        await peer.connect();
        const { follow } = PeerService.method;
        const request = one(create(FollowRequestSchema));
        const { message } = await peer.transport.stream(follow, signal, undefined, undefined, request);
        for await (const item of message) this.#take(item);
      } catch {
        // The node has gone, or cannot be reached: its news are hints only.
      }
      if (!signal.aborted) await pause(clock, signal);
    }
  }

  #take({ news, afterSeq, events }: FollowResponse): void {
    if (news.case === "head") this.#options.onLogged({ seq: news.value, afterSeq, events });
    else if (news.case === "given") this.#options.onGiven(news.value);
    else if (news.case === "endedLogin") this.#options.onEndedLogin(news.value);
  }
}

function pause(clock: MonotonicClock, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.schedule(pauseMs, resolve);
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise.finally(cancel);
}

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}
