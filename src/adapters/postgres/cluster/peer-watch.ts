import type { ClusterTimings } from "./timings.ts";

/** A node as a read has shown it. */
export interface PeerBeat {
  readonly id: number;
  readonly beat: bigint;
  /** It said that it will be back soon. */
  readonly returns: boolean;
}

interface Sighting {
  readonly beat: bigint;
  readonly sinceMs: number;
}

/**
 * Watches the beats of the other nodes by this node's own clock. A node is silent if all reads of a long time have shown the same beat;
 * a time in which this node read too rarely, because it was paused itself, does not count.
 */
export class PeerWatch {
  readonly #timings: Pick<ClusterTimings, "fenceMs" | "returnMs" | "maxGapMs">;
  #seen = new Map<number, Sighting>();
  #readMs: number | undefined;

  constructor(timings: Pick<ClusterTimings, "fenceMs" | "returnMs" | "maxGapMs">) {
    this.#timings = timings;
  }

  /**
   * Takes in a read of all living nodes but this one, and returns the silent ones. A beat is as old as the answer that showed it first,
   * and is still the present one when a later read is sent.
   */
  observe<Peer extends PeerBeat>(peers: readonly Peer[], sentMs: number, answeredMs: number): Peer[] {
    const { fenceMs, returnMs, maxGapMs } = this.#timings;
    const isGap = this.#readMs === undefined || answeredMs - this.#readMs > maxGapMs;
    this.#readMs = answeredMs;
    const before = isGap ? new Map<number, Sighting>() : this.#seen;
    this.#seen = new Map(
      peers.map(({ id, beat }) => {
        const former = before.get(id);
        return [id, former?.beat === beat ? former : { beat, sinceMs: answeredMs }];
      }),
    );
    return peers.filter(({ id, returns }) => {
      const { sinceMs } = this.#seen.get(id) ?? { sinceMs: answeredMs };
      return sentMs - sinceMs >= (returns ? returnMs : fenceMs);
    });
  }

  /** Forgets what was seen. */
  clear(): void {
    this.#seen.clear();
    this.#readMs = undefined;
  }
}
