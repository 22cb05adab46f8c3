import { Code, ConnectError } from "@connectrpc/connect";
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { messageOf } from "../api/errors.ts";

/** Where a session is in a run. A fault is a sentence. */
export type ItemState = "waiting" | "running" | "done" | { readonly fault: string };

/** A session, and how far the run is with it. */
export interface BulkItem {
  readonly name: string;
  readonly state: ReadonlySignal<ItemState>;
}

/** "asking" before the first start. */
export type RunPhase = "asking" | "running" | "ended";

/** Numbers of sessions. Those that are neither are waiting or under way. */
export interface BulkProgress {
  readonly done: number;
  readonly failed: number;
}

/** Calls under way at the same time. The server paces connections to WhatsApp by itself. */
const concurrency = 8;

/** One call for each of many sessions, at most eight at a time. */
export class BulkRun {
  readonly #items: readonly (BulkItem & { readonly state: Signal<ItemState> })[];
  readonly #call: (session: string) => Promise<unknown>;
  readonly #phase = signal<RunPhase>("asking");
  readonly #progress = signal<BulkProgress>({ done: 0, failed: 0 });
  #isCancelled = false;

  constructor(names: readonly string[], call: (session: string) => Promise<unknown>) {
    this.#items = names.map((name) => ({ name, state: signal<ItemState>("waiting") }));
    this.#call = call;
  }

  get items(): readonly BulkItem[] {
    return this.#items;
  }

  get phase(): ReadonlySignal<RunPhase> {
    return this.#phase;
  }

  get progress(): ReadonlySignal<BulkProgress> {
    return this.#progress;
  }

  /** Makes the call for each session that has not succeeded, in order. Resolves when no call is under way. */
  async run(): Promise<void> {
    if (this.#phase.peek() === "running") return;
    this.#isCancelled = false;
    this.#phase.value = "running";
    const open = this.#items.filter(({ state }) => state.peek() !== "done");
    for (const { state } of open) state.value = "waiting";
    this.#progress.value = { done: this.#items.length - open.length, failed: 0 };
    const rest = open.values();
    await Promise.all(Array.from({ length: concurrency }, () => this.#work(rest)));
    this.#phase.value = "ended";
  }

  /** Begins no more calls. Those under way are awaited, because their outcome counts. */
  cancel(): void {
    this.#isCancelled = true;
  }

  async #work(rest: Iterator<{ name: string; state: Signal<ItemState> }>): Promise<void> {
    while (!this.#isCancelled) {
      const next = rest.next();
      if (next.done) return;
      const { name, state } = next.value;
      state.value = "running";
      try {
        await this.#call(name);
        state.value = "done";
        this.#count({ done: 1, failed: 0 });
      } catch (error) {
        state.value = { fault: messageOf(error) };
        this.#count({ done: 0, failed: 1 });
        // After the end of the login the others would fail, too.
        if (ConnectError.from(error).code === Code.Unauthenticated) this.cancel();
      }
    }
  }

  #count({ done, failed }: BulkProgress): void {
    const before = this.#progress.peek();
    this.#progress.value = { done: before.done + done, failed: before.failed + failed };
  }
}
