import { create } from "@bufbuild/protobuf";
import {
  type FollowResponse,
  type FollowResponse_EndedLogin,
  FollowResponse_EndedLoginSchema,
  FollowResponse_GivenSessionSchema,
  FollowResponseSchema,
} from "../../../gen/sessiond/peer/v1/peer_service_pb.js";
import type { GivenSession, LoggedEvents } from "../../ports/cluster.ts";
import { endOf } from "../errors.ts";

/** A login that was ended before it expired. */
export type EndedLogin = Pick<FollowResponse_EndedLogin, "id" | "expiresAtMs">;

/** One node that follows the news. */
interface Follower {
  /** What it has to be told of the log, in order. */
  logged: LoggedEvents[];
  readonly logins: EndedLogin[];
  readonly given: GivenSession[];
  wake(): void;
}

/** Number of writes that wait for a slow follower, at most. Then it is told where the log ends, and reads on. */
const maxLogged = 16;
/** Number of given sessions that wait for a slow follower, at most. The node that they are for finds the others by itself. */
const maxGiven = 1_000;

/** The end of the log, of which nothing else is told. */
const endAt = (seq: bigint): LoggedEvents => ({ afterSeq: seq, seq, events: [] });

/** News of this node for the others. */
export class News {
  readonly #followers = new Set<Follower>();
  readonly #endedLogins: () => Iterable<EndedLogin>;
  #headSeq = 0n;

  /** `endedLogins` returns all logins that a node which has not followed yet must know. */
  constructor(endedLogins: () => Iterable<EndedLogin>) {
    this.#endedLogins = endedLogins;
  }

  /** This node has logged events. */
  logged(logged: LoggedEvents): void {
    if (logged.seq <= this.#headSeq) return;
    this.#headSeq = logged.seq;
    for (const follower of this.#followers) {
      if (follower.logged.length < maxLogged) follower.logged.push(logged);
      else follower.logged = [endAt(logged.seq)];
      follower.wake();
    }
  }

  /** Somebody has logged out here. */
  endedLogin(login: EndedLogin): void {
    for (const follower of this.#followers) {
      follower.logins.push(login);
      follower.wake();
    }
  }

  /** This node has given a session away. */
  gave(given: GivenSession): void {
    for (const follower of this.#followers) {
      if (follower.given.length >= maxGiven) continue;
      follower.given.push(given);
      follower.wake();
    }
  }

  /** Yields the news from now on. Only the latest position in the log is told to a slow follower. Ends by `signal`. */
  async *follow(signal: AbortSignal): AsyncGenerator<FollowResponse, void, void> {
    const logged = this.#headSeq > 0n ? [endAt(this.#headSeq)] : [];
    const follower: Follower = { logged, logins: [...this.#endedLogins()], given: [], wake: () => {} };
    const end = () => follower.wake();
    this.#followers.add(follower);
    signal.addEventListener("abort", end, { once: true });
    try {
      while (!signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        follower.wake = resolve;
        for (const login of follower.logins.splice(0)) {
          const value = create(FollowResponse_EndedLoginSchema, login);
          yield create(FollowResponseSchema, { news: { case: "endedLogin", value } });
        }
        for (const given of follower.given.splice(0)) {
          const value = create(FollowResponse_GivenSessionSchema, given);
          yield create(FollowResponseSchema, { news: { case: "given", value } });
        }
        for (let next = follower.logged.shift(); next; next = follower.logged.shift()) {
          const { seq: value, afterSeq, events } = next;
          yield create(FollowResponseSchema, { news: { case: "head", value }, afterSeq, events: [...events] });
        }
        await promise;
      }
      throw endOf(signal);
    } finally {
      this.#followers.delete(follower);
      signal.removeEventListener("abort", end);
    }
  }
}
