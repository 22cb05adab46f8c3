import type { Endpoint, SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Session } from "../../gen/sessiond/v1/session_pb.js";
import { deepFreeze } from "../domain/deep-freeze.ts";
import { nextAttemptAtMs } from "../domain/session.ts";
import { sessionSummary, sessionView, type ViewOptions } from "./session-view.ts";

/** Views of each kind that are remembered, at most. */
const capacity = 1_024;

type Show = typeof sessionView;
type Remembered = Map<SessionRecord, Session>;

/**
 * API forms of sessions. They are frozen, and remembered for the records seen last: a record never changes, so that the view of one
 * is made once, and so is its JSON.
 */
export class SessionViews {
  readonly #options: ViewOptions;
  readonly #full: Remembered = new Map();
  readonly #summaries: Remembered = new Map();

  constructor(options: ViewOptions) {
    this.#options = options;
  }

  /** Returns the view of a session with its failing endpoints. */
  full(record: SessionRecord, failing: readonly Endpoint[]): Session {
    return this.#view(record, failing, sessionView, this.#full);
  }

  /** Returns the view of a session for lists. */
  summary(record: SessionRecord, failing: readonly Endpoint[]): Session {
    return this.#view(record, failing, sessionSummary, this.#summaries);
  }

  #view(record: SessionRecord, failing: readonly Endpoint[], show: Show, remembered: Remembered): Session {
    // Endpoints change apart from the record, and the clock moves the shown time of an attempt.
    if (failing.length > 0 || nextAttemptAtMs(record) !== undefined) return show(record, this.#options, failing);
    const known = remembered.get(record);
    if (known) return known;
    const view = deepFreeze(show(record, this.#options, failing));
    if (remembered.size >= capacity) remembered.delete(remembered.keys().next().value as SessionRecord);
    remembered.set(record, view);
    return view;
  }
}
