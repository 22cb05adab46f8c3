import type { Clock } from "../../ports/system.ts";

/** When a connection is asked whether it still lives. */
export interface HeartbeatSettings {
  /** After so long without a word from WhatsApp it is pinged, so that no router in between forgets the connection. */
  readonly keepAliveIntervalMs: number;
  /** After so long it is asked in earnest. */
  readonly probeAfterMs: number;
  /** And it has so long to answer. */
  readonly probeTimeoutMs: number;
}

/** What a heartbeat does and reports. */
export interface HeartbeatParts {
  /** A round trip to WhatsApp; true if it was answered in time. Never rejects. */
  readonly ping: (limitMs: number) => Promise<boolean>;
  readonly onHealth: (healthy: boolean) => void;
  /** Nothing came of the second question either. */
  readonly onDeaf: () => void;
}

/** Notices that a connection which looks open has died: whatever comes in is a sign of life, and where nothing does it asks, twice. */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #settings: HeartbeatSettings;
  readonly #parts: HeartbeatParts;
  #heardAtMs: number;
  #pingedAtMs = 0;
  #isHealthy = true;
  #stopped = false;
  #cancel = () => {};

  /** Begins at once. */
  constructor(clock: Clock, settings: HeartbeatSettings, parts: HeartbeatParts) {
    this.#clock = clock;
    this.#settings = settings;
    this.#parts = parts;
    this.#heardAtMs = clock.nowMs();
    this.#wait();
  }

  /** When WhatsApp was last heard, on the monotonic clock. */
  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  /** Something has come in. */
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
    const delayMs = Math.max(0, Math.min(toPingMs, probeAfterMs - silentMs));
    this.#cancel = this.#clock.schedule(delayMs, () => void this.#beat());
  }

  async #beat(): Promise<void> {
    const { keepAliveIntervalMs, probeAfterMs, probeTimeoutMs } = this.#settings;
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#heardAtMs >= probeAfterMs) {
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

  /** Anything that comes in meanwhile is as good as the answer. */
  async #isAnswered(ask: () => Promise<boolean>): Promise<boolean> {
    const before = this.#heardAtMs;
    const answered = await ask();
    if (answered) this.heard();
    return answered || this.#heardAtMs > before || this.#stopped;
  }

  #report(healthy: boolean): void {
    if (this.#isHealthy === healthy || this.#stopped) return;
    this.#isHealthy = healthy;
    this.#parts.onHealth(healthy);
  }
}
