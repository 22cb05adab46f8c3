import type { Standing } from "../../src/ports/cluster.ts";
import { LeaseLost } from "../../src/ports/sessions.ts";

/** A standing that a test sets. */
export class FakeStanding implements Standing {
  #freeze: PromiseWithResolvers<void> | undefined;
  readonly #listeners = new Set<() => void>();

  get isFrozen(): boolean {
    return this.#freeze !== undefined;
  }

  onFreeze(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async thawed(): Promise<void> {
    await this.#freeze?.promise;
  }

  freeze(): void {
    if (this.#freeze) return;
    this.#freeze = Promise.withResolvers();
    this.#freeze.promise.catch(() => {});
    for (const listener of this.#listeners) listener();
  }

  thaw(): void {
    this.#freeze?.resolve();
    this.#freeze = undefined;
  }

  /** Ends a freeze in which the node's sessions were taken. */
  lose(): void {
    this.#freeze?.reject(new LeaseLost("the node was silent for too long"));
    this.#freeze = undefined;
  }
}
