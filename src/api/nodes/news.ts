import { create } from "@bufbuild/protobuf";
import {
  type FollowResponse,
  type FollowResponse_EndedLogin,
  FollowResponse_EndedLoginSchema,
  FollowResponse_GivenSessionSchema,
  FollowResponseSchema,
} from "../../../gen/sessiond/peer/v1/peer_service_pb.js";
import type { GivenSession } from "../../ports/cluster.ts";
import { endOf } from "../errors.ts";

/** A login that was ended before it expired. */
export type EndedLogin = Pick<FollowResponse_EndedLogin, "id" | "expiresAtMs">;

/** One node that follows the news. */
interface Follower {
  headSeq: bigint;
  readonly logins: EndedLogin[];
  readonly given: GivenSession[];
  wake(): void;
}

/** Number of given sessions that wait for a slow follower, at most. The node that they are for finds the others by itself. */
const maxGiven = 1_000;

/** News of this node for the others. */
export class News {
  readonly #followers = new Set<Follower>();
  readonly #endedLogins: () => Iterable<EndedLogin>;
  #headSeq = 0n;

  /** `endedLogins` returns all logins that a node which has not followed yet must know. */
  constructor(endedLogins: () => Iterable<EndedLogin>) {
    this.#endedLogins = endedLogins;
  }

  /** This node has logged events up to `seq`. */
  logged(seq: bigint): void {
    if (seq <= this.#headSeq) return;
    this.#headSeq = seq;
    for (const follower of this.#followers) follower.wake();
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
    const follower: Follower = { headSeq: 0n, logins: [...this.#endedLogins()], given: [], wake: () => {} };
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
        if (this.#headSeq > follower.headSeq) {
          follower.headSeq = this.#headSeq;
          yield create(FollowResponseSchema, { news: { case: "head", value: this.#headSeq } });
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
