import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import type { Snapshot } from "../../ports/sessions.ts";
import { followLatest, followLog, type ReadableLog } from "./followers.ts";
import { Notifier } from "./notifier.ts";

/** The readers of the log and the watchers of sessions, and the notifiers that wake them. */
export class Readers {
  readonly #log = new Notifier();
  readonly #sessions = new Notifier();

  /** See EventLog.events; `log` reads the events written so far. */
  events(
    session: string | undefined,
    afterSeq: bigint,
    signal: AbortSignal,
    throughSeq: bigint | undefined,
    log: ReadableLog,
  ): AsyncIterable<Event> {
    return followLog(() => this.#log.subscribe(session, signal), log, afterSeq, throughSeq);
  }

  /** See Sessions.watch. */
  watch(session: string, signal: AbortSignal, read: () => Promise<Snapshot>): AsyncIterable<Snapshot> {
    return followLatest(() => this.#sessions.subscribe(session, signal), read);
  }

  /** A session's change is written and can be read, with these events. */
  publish(session: string, events: readonly Event[], seq: bigint): void {
    const [first] = events;
    if (first) this.#log.publish(session, first.seq);
    this.#sessions.publish(session, seq);
  }

  /** Ends all readers, including later ones. */
  close(): void {
    this.#log.close();
    this.#sessions.close();
  }
}
