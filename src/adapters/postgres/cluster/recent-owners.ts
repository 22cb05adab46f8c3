/** A node that was found to own a session. */
export interface FoundOwner {
  readonly nodeId: number;
  readonly isBound: boolean;
}

/** Time for which an owner is remembered, ms. The node that is named refuses a call for a session that it does not own. */
const memoryMs = 1_000;
const capacity = 10_000;

/** Owners that were found in the last second, so that calls for a busy session do not each ask the database. */
export class RecentOwners {
  readonly #nowMs: () => number;
  readonly #found = new Map<string, FoundOwner & { readonly untilMs: number }>();

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Returns the other node that owned a session up to a second ago. */
  get(session: string): FoundOwner | undefined {
    const found = this.#found.get(session);
    return found && this.#nowMs() < found.untilMs ? found : undefined;
  }

  /** Remembers an owner; undefined if the session has none, or this node. */
  set(session: string, owner: FoundOwner | undefined): void {
    this.#found.delete(session);
    if (!owner) return;
    // The oldest come first.
    for (const oldest of this.#found.keys()) {
      if (this.#found.size < capacity) break;
      this.#found.delete(oldest);
    }
    this.#found.set(session, { ...owner, untilMs: this.#nowMs() + memoryMs });
  }
}
