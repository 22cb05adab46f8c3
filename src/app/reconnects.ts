import { SessionRecord_Phase as Phase, type SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import type { MonotonicClock } from "../ports/system.ts";

/** How far back reconnects are counted. */
const windowMs = 3_600_000;
/** More reconnects than this within the window are a storm. */
const calm = 5;

/** A session that reconnects again and again. */
export interface Storm {
  readonly session: string;
  /** Number of connections lost, or not established, within the last hour. */
  readonly reconnects: number;
}

/** Counts how often sessions lose their connections, or fail to get one. In memory only: counts begin with the process. */
export class Reconnects {
  readonly #clock: MonotonicClock;
  readonly #last = new Map<string, SessionRecord>();
  /** Times of the losses, oldest first, of sessions that had one lately. */
  readonly #losses = new Map<string, number[]>();

  constructor(clock: MonotonicClock) {
    this.#clock = clock;
  }

  /** A session's record was written. */
  note(record: SessionRecord): void {
    const { name } = record;
    const before = this.#last.get(name);
    if (record.phase === Phase.DELETING) {
      this.#last.delete(name);
      this.#losses.delete(name);
      return;
    }
    this.#last.set(name, record);
    if (before && isLoss(before, record)) this.#losses.set(name, [...this.#recent(name), this.#clock.nowMs()]);
  }

  /** Returns the sessions with more than 5 losses within the last hour, most first. */
  storms(): Storm[] {
    const storms: Storm[] = [];
    for (const session of this.#losses.keys()) {
      const recent = this.#recent(session);
      if (recent.length === 0) this.#losses.delete(session);
      if (recent.length > calm) storms.push({ session, reconnects: recent.length });
    }
    return storms.sort((a, b) => b.reconnects - a.reconnects || (a.session < b.session ? -1 : 1));
  }

  #recent(session: string): number[] {
    const sinceMs = this.#clock.nowMs() - windowMs;
    return (this.#losses.get(session) ?? []).filter((atMs) => atMs > sinceMs);
  }
}

/** Returns true if an engine closed by itself and another one follows. A wait at the connect gate does not count, nor does a restart by the owner. */
function isLoss(before: SessionRecord, after: SessionRecord): boolean {
  if (after.phase === Phase.BACKING_OFF && before.phase === Phase.WORKING) return true;
  if (after.phase === Phase.BACKING_OFF && after.attempt > before.attempt) return true;
  return isLater(before.restartedAt, after.restartedAt) || isLater(before.replacedAt, after.replacedAt);
}

type Time = SessionRecord["restartedAt"];

const isLater = (before: Time, after: Time): boolean =>
  after !== undefined && (before?.seconds !== after.seconds || before.nanos !== after.nanos);
