import { randomBytes } from "node:crypto";

/** A moment in the life of a process: the id of the process, and its monotonic time (ms). */
export interface ProcessMoment {
  readonly process: string;
  readonly atMs: number;
}

/** The monotonic clocks of all nodes, as far as they have told their time. The time of day plays no part, so it may be wrong. */
export class PeerClock {
  /** Id of this process. */
  readonly process = randomBytes(12).toString("base64url");
  readonly #nowMs: () => number;
  /** By the name of a node: its process, and the difference between its clock and this one. */
  readonly #times = new Map<string, { readonly process: string; readonly aheadMs: number }>();

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Returns this process's time. */
  nowMs(): number {
    return Math.round(this.#nowMs());
  }

  /** A node has told its time. */
  learn(node: string, { process, atMs }: ProcessMoment): void {
    this.#times.set(node, { process, aheadMs: atMs - this.nowMs() });
  }

  /** Returns the present moment at another node. Its process is "" if the node has not told its time. */
  momentAt(node: string): ProcessMoment {
    const time = this.#times.get(node);
    return { process: time?.process ?? "", atMs: this.nowMs() + (time?.aheadMs ?? 0) };
  }

  /** Returns the time (ms) since a moment at another node; undefined if its process is not the one that has told its time. */
  msSince(node: string, { process, atMs }: ProcessMoment): number | undefined {
    if (process === this.process) return this.nowMs() - atMs;
    const now = this.momentAt(node);
    return now.process === process ? now.atMs - atMs : undefined;
  }
}
