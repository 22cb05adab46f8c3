import { aborted, pause } from "./signals.ts";

/**
 * Elects one of the browser's tabs. `lead` waits for its turn, then runs `work` with a signal that aborts when another tab leads or when
 * `signal` aborts. It resolves after `signal` has aborted and `work` has ended.
 */
export interface Election {
  lead(signal: AbortSignal, work: (leading: AbortSignal) => Promise<void>): Promise<void>;
}

/** Returns the election that this context supports. Pages over plain HTTP from another machine have no Web Locks. */
export function createElection(name: string): Election {
  return isSecureContext && navigator.locks ? new LockElection(name) : new ChannelElection(name);
}

/** The tab that holds a Web Lock leads. The browser passes the lock on when a tab closes or crashes. */
class LockElection implements Election {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  async lead(signal: AbortSignal, work: (leading: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await navigator.locks.request(this.#name, { signal }, () => work(signal));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

/** How often a leader says that it is there, and how long it may be silent. */
const beatMs = 1_000;
const silenceMs = 3_500;
/** How long a candidate waits for objections. */
const objectionMs = 200;

interface ElectionMessage {
  readonly kind: "beat" | "claim" | "resigned";
  readonly id: number;
}

/** Election by messages. If two tabs lead at once, the one with the higher id gives way at the other one's next beat. */
export class ChannelElection implements Election {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  async lead(signal: AbortSignal, work: (leading: AbortSignal) => Promise<void>): Promise<void> {
    const channel = new BroadcastChannel(`${this.#name}-election`);
    const candidate = new Candidate(channel, crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
    try {
      while (!signal.aborted) {
        await candidate.waitForTurn(signal);
        if (!signal.aborted) await candidate.lead(signal, work);
      }
    } finally {
      channel.close();
    }
  }
}

class Candidate {
  readonly #channel: BroadcastChannel;
  readonly #id: number;
  #lastBeatMs = Number.NEGATIVE_INFINITY;
  /** Called when a tab that precedes this one speaks. */
  #onPrecedence: () => void = () => {};
  #onResignation: () => void = () => {};
  #leads = false;

  constructor(channel: BroadcastChannel, id: number) {
    this.#channel = channel;
    this.#id = id;
    channel.onmessage = ({ data }: MessageEvent<ElectionMessage>) => this.#hear(data);
  }

  /** Resolves when no leader is heard and nobody objected to this tab, or when the signal aborts. */
  async waitForTurn(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const silentForMs = performance.now() - this.#lastBeatMs;
      if (silentForMs < silenceMs) {
        await this.#pauseUntilResignation(silenceMs - silentForMs, signal);
        continue;
      }
      const objection = new AbortController();
      this.#onPrecedence = () => objection.abort();
      this.#say("claim");
      await pause(objectionMs, AbortSignal.any([signal, objection.signal]));
      if (!objection.signal.aborted) return;
      // The tab that precedes this one becomes the leader.
      this.#lastBeatMs = performance.now();
    }
  }

  async lead(signal: AbortSignal, work: (leading: AbortSignal) => Promise<void>): Promise<void> {
    const deposed = new AbortController();
    const leading = AbortSignal.any([signal, deposed.signal]);
    this.#onPrecedence = () => deposed.abort();
    this.#leads = true;
    this.#say("beat");
    const timer = setInterval(() => this.#say("beat"), beatMs);
    try {
      await Promise.all([work(leading), aborted(leading)]);
    } finally {
      clearInterval(timer);
      this.#leads = false;
      if (signal.aborted) this.#say("resigned");
    }
  }

  #hear({ kind, id }: ElectionMessage): void {
    if (kind === "resigned") {
      this.#lastBeatMs = Number.NEGATIVE_INFINITY;
      this.#onResignation();
      return;
    }
    if (kind === "beat") this.#lastBeatMs = performance.now();
    // A leader answers claims, whatever their ids. Only another leader with a lower id deposes it.
    if (this.#leads && kind === "claim") this.#say("beat");
    else if (id < this.#id || (kind === "beat" && !this.#leads)) this.#onPrecedence();
  }

  async #pauseUntilResignation(ms: number, signal: AbortSignal): Promise<void> {
    const resigned = new AbortController();
    this.#onResignation = () => resigned.abort();
    await pause(ms, AbortSignal.any([signal, resigned.signal]));
  }

  #say(kind: ElectionMessage["kind"]): void {
    this.#channel.postMessage({ kind, id: this.#id } satisfies ElectionMessage);
  }
}
