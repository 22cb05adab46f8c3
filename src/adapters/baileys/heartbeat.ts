import type { Clock } from "../../ports/system.ts";

/** Intervals of the heartbeat. */
export interface HeartbeatSettings {
  /** Silence after which WhatsApp is pinged, so that no router drops the connection. */
  readonly keepAliveIntervalMs: number;
  /** Silence after which WhatsApp is probed: without an answer the connection counts as dead. */
  readonly probeAfterMs: number;
  /** Timeout of a ping. */
  readonly probeTimeoutMs: number;
}

/** Callbacks of a heartbeat. */
export interface HeartbeatParts {
  /** Pings WhatsApp; resolves with whether it answered in time. Never rejects. */
  readonly ping: (limitMs: number) => Promise<boolean>;
  /** Returns true while WhatsApp's answers wait to be read, so that their lack means nothing. */
  readonly isFrozen: () => boolean;
  readonly onHealth: (healthy: boolean) => void;
  /** Called when the second probe in a row was not answered. */
  readonly onDeaf: () => void;
}

/** Notices that a connection which looks open is dead. Everything that comes in is a sign of life; after a silence it probes twice. */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #settings: HeartbeatSettings;
  readonly #parts: HeartbeatParts;
  #heardAtMs: number;
  #pingedAtMs = 0;
  #isHealthy = true;
  #stopped = false;
  #cancel = () => {};

  /** Starts at once. */
  constructor(clock: Clock, settings: HeartbeatSettings, parts: HeartbeatParts) {
    this.#clock = clock;
    this.#settings = settings;
    this.#parts = parts;
    this.#heardAtMs = clock.nowMs();
    this.#wait();
  }

  /** Time at which WhatsApp was last heard, on the monotonic clock. */
  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  /** Called when anything comes in. */
  heard(): void {
    this.#heardAtMs = this.#clock.nowMs();
    this.#report(true);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #wait(): void {
    if (this.#stopped) return;
    const { keepAliveIntervalMs, probeAfterMs } = this.#settings;
    const nowMs = this.#clock.nowMs();
    const silentMs = nowMs - this.#heardAtMs;
    const toPingMs = Math.max(this.#heardAtMs, this.#pingedAtMs) + keepAliveIntervalMs - nowMs;
    const toProbeMs = this.#parts.isFrozen() ? toPingMs : probeAfterMs - silentMs;
    const delayMs = Math.max(0, Math.min(toPingMs, toProbeMs));
    this.#cancel = this.#clock.schedule(delayMs, () => void this.#beat());
  }

  async #beat(): Promise<void> {
    const { keepAliveIntervalMs, probeAfterMs, probeTimeoutMs } = this.#settings;
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#heardAtMs >= probeAfterMs && !this.#parts.isFrozen()) {
      await this.#probe();
    } else if (nowMs - Math.max(this.#heardAtMs, this.#pingedAtMs) >= keepAliveIntervalMs) {
      this.#pingedAtMs = nowMs;
      void this.#parts.ping(probeTimeoutMs);
    }
    this.#wait();
  }

  async #probe(): Promise<void> {
    const { ping, onDeaf } = this.#parts;
    const { probeTimeoutMs } = this.#settings;
    if (await this.#isAnswered(() => ping(probeTimeoutMs))) return;
    this.#report(false);
    if (await this.#isAnswered(() => ping(probeTimeoutMs))) return;
    if (this.#stopped) return;
    this.stop();
    onDeaf();
  }

  /** Anything that comes in meanwhile counts as the answer. */
  async #isAnswered(ask: () => Promise<boolean>): Promise<boolean> {
    const before = this.#heardAtMs;
    const answered = await ask();
    if (answered) this.heard();
    return answered || this.#heardAtMs > before || this.#stopped || this.#parts.isFrozen();
  }

  #report(healthy: boolean): void {
    if (this.#isHealthy === healthy || this.#stopped) return;
    this.#isHealthy = healthy;
    this.#parts.onHealth(healthy);
  }
}
