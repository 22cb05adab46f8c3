import { setTimeout as delay } from "node:timers/promises";
import { loggedEventNames } from "../../src/domain/event.ts";
import { readEvents } from "../e2e/event-source.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import type { Rig } from "./rig.ts";

/** Interval of heartbeats on the nodes of a rig, and the silence after which a client gives a node up, ms. */
export const heartbeatMs = 500;
const silenceLimitMs = 4 * heartbeatMs;
/** Time before a client that was refused tries another node, ms. */
const retryMs = 50;

/** All names, as some events are streamed only if they are asked for by name. */
const query = loggedEventNames.map((name) => `names=${name}`).join("&");

/** An event as a stream carried it. */
export interface ReadEvent {
  readonly seq: bigint;
  readonly id: string;
  readonly session: string;
  /** Id of the message, if it is one. */
  readonly message: string | undefined;
}

/**
 * A client that follows the events of all sessions by any node. It goes on at another node, after the last item that it has read, when
 * its node is down, silent or refuses; and from time to time for no reason.
 */
export class Follower {
  readonly events: ReadEvent[] = [];
  /** Items that no client may get. */
  readonly complaints: string[] = [];
  /** Nodes that it has read from, in their order. */
  readonly path: string[] = [];
  readonly startSeq: bigint;
  readonly #rig: Rig;
  readonly #random: SeededRandom;
  #cursor: bigint;

  constructor(rig: Rig, random: SeededRandom, startSeq: bigint) {
    this.#rig = rig;
    this.#random = random;
    this.startSeq = startSeq;
    this.#cursor = startSeq;
  }

  /** Position after which it would go on. */
  get cursor(): bigint {
    return this.#cursor;
  }

  /** Follows until the signal. */
  async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { upNodes } = this.#rig;
      const node = upNodes.length > 0 ? this.#random.pick(upNodes) : undefined;
      if (node) {
        this.path.push(node.name);
        // Any error is a node that the client leaves.
        await this.#readFrom(node.process.baseUrl, node.name, signal).catch(() => {});
      }
      await delay(retryMs);
    }
  }

  async #readFrom(baseUrl: string, node: string, signal: AbortSignal): Promise<void> {
    const leaving = new AbortController();
    const leave = () => leaving.abort();
    const timer = setTimeout(leave, silenceLimitMs);
    signal.addEventListener("abort", leave);
    const patience = Math.floor(this.#random.between(5, 200));
    try {
      const options = { lastEventId: String(this.#cursor), signal: leaving.signal };
      let items = 0;
      for await (const { id, event, data } of readEvents(`${baseUrl}/api/events?${query}`, options)) {
        timer.refresh();
        if (event === "error") return;
        if (id === undefined) this.complaints.push(`node ${node} sent ${JSON.stringify(data)} after ${this.#cursor}`);
        else this.#take(node, BigInt(id), data);
        items += 1;
        if (items === patience) return;
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", leave);
      leave();
    }
  }

  #take(node: string, seq: bigint, data: Record<string, unknown>): void {
    if (seq < this.#cursor) this.complaints.push(`node ${node} went back from ${this.#cursor} to ${seq}`);
    this.#cursor = seq;
    // A heartbeat only has a place in the log.
    const event = data.event as { id: string; session: string; message?: { id: string } } | undefined;
    if (!event) return;
    const { id, session, message } = event;
    this.events.push({ seq, id, session, message: message?.id.split("_")[2] });
  }
}
