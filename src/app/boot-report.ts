import { SessionRecord_Phase as Phase, type SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import { Session_StatusReason as Reason, Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { statusOf } from "../domain/session.ts";
import type { Clock, Logger } from "../ports/system.ts";

/** Time after which sessions still on their way are reported as such. */
const patienceMs = 180_000;
/** At most this many failures are named; the rest are counted. */
const maxNamed = 20;

/** Follows the sessions that a start of the server brings back, until each has come or failed, and writes one line about it. */
export class BootReport {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #startedAtMs: number;
  /** With the attempts that had failed before. */
  readonly #waiting: Map<string, number>;
  readonly #counts = { working: 0, pairing: 0, stopped: 0, failed: 0 };
  readonly #reasons: Record<string, string> = {};
  #cancel = () => {};
  #written = false;

  /** `sessions`: all that should run, each with the number of attempts that have failed so far. */
  constructor(clock: Clock, logger: Logger, sessions: Iterable<readonly [string, number]>) {
    this.#clock = clock;
    this.#logger = logger;
    this.#startedAtMs = clock.nowMs();
    this.#waiting = new Map(sessions);
    this.#cancel = clock.schedule(patienceMs, () => this.#write());
    this.#writeIfDone();
  }

  /** True once the line is written, so that sessions that come later need another report. */
  get isWritten(): boolean {
    return this.#written;
  }

  /** Adds a session that should run, with the number of attempts that have failed so far. */
  expect(session: string, attempt: number): void {
    this.#waiting.set(session, attempt);
  }

  /** A session has changed. */
  note(record: SessionRecord): void {
    const attempt = this.#waiting.get(record.name);
    if (attempt === undefined) return;
    const outcome = outcomeOf(record, attempt);
    if (!outcome) return;
    this.#waiting.delete(record.name);
    this.#counts[outcome] += 1;
    if (outcome === "failed") this.#reason(record.name, reasonOf(record));
    this.#writeIfDone();
  }

  /** A session could not even be taken on. */
  lost(session: string, error: unknown): void {
    if (!this.#waiting.delete(session)) return;
    this.#counts.failed += 1;
    this.#reason(session, error instanceof Error ? error.message : "unknown");
    this.#writeIfDone();
  }

  /** Stops the report; nothing is written from here on. */
  close(): void {
    this.#written = true;
    this.#cancel();
  }

  #reason(session: string, reason: string): void {
    if (Object.keys(this.#reasons).length < maxNamed) this.#reasons[session] = reason;
  }

  #writeIfDone(): void {
    if (this.#waiting.size === 0) this.#write();
  }

  #write(): void {
    if (this.#written) return;
    this.close();
    const { working: restored, ...counts } = this.#counts;
    const ms = this.#clock.nowMs() - this.#startedAtMs;
    const line = { restored, ...counts, waiting: this.#waiting.size, ms };
    if (restored + counts.pairing + counts.stopped + counts.failed + this.#waiting.size === 0) return;
    const failed = counts.failed > 0 || this.#waiting.size > 0;
    this.#logger[failed ? "warn" : "info"](failed ? { ...line, reasons: this.#reasons } : line, "sessions restored");
  }
}

/** A refused client version has a log line of its own. */
function reasonOf({ reason, reasonMessage, refusedClientVersion }: SessionRecord): string {
  const text = refusedClientVersion === "" ? reasonMessage : "";
  return text || (Reason[reason] ?? "");
}

/** Returns the outcome of a session's start; undefined while it is on its way. */
function outcomeOf(record: SessionRecord, attempt: number): "working" | "pairing" | "stopped" | "failed" | undefined {
  const status = statusOf(record);
  if (status === Status.WORKING) return "working";
  if (status === Status.SCAN_QR_CODE) return "pairing";
  if (status === Status.STOPPED) return "stopped";
  if (status === Status.FAILED) return "failed";
  // Waiting at the connect gate for the first attempt is not a failure; waiting after an attempt is.
  return record.phase === Phase.BACKING_OFF && record.attempt > attempt ? "failed" : undefined;
}
