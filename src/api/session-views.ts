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

  /** Returns the view of a session with its failing endpoints. `owner` is the name of its node; "" if it has none. */
  full(record: SessionRecord, failing: readonly Endpoint[], owner = ""): Session {
    return this.#view(record, failing, owner, sessionView, this.#full);
  }

  /** Returns the view of a session for lists. */
  summary(record: SessionRecord, failing: readonly Endpoint[], owner = ""): Session {
    return this.#view(record, failing, owner, sessionSummary, this.#summaries);
  }

  #view(
    record: SessionRecord,
    failing: readonly Endpoint[],
    owner: string,
    show: Show,
    remembered: Remembered,
  ): Session {
    const make = (): Session => {
      const view = show(record, this.#options, failing);
      return owner === "" ? view : { ...view, assignedWorker: owner };
    };
    // Endpoints change apart from the record, and the clock moves the shown time of an attempt and ends a lock.
    const isLocked = record.me?.reachoutTimelock?.isActive === true;
    if (failing.length > 0 || isLocked || nextAttemptAtMs(record) !== undefined) return make();
    const known = remembered.get(record);
    if (known?.assignedWorker === owner) return known;
    const view = deepFreeze(make());
    if (remembered.size >= capacity) remembered.delete(remembered.keys().next().value as SessionRecord);
    remembered.set(record, view);
    return view;
  }
}
