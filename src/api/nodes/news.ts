import { create } from "@bufbuild/protobuf";
import {
  type FollowResponse,
  type FollowResponse_EndedLogin,
  FollowResponse_EndedLoginSchema,
  FollowResponseSchema,
} from "../../../gen/sessiond/peer/v1/peer_service_pb.js";
import { endOf } from "../errors.ts";

/** A login that was ended before it expired. */
export type EndedLogin = Pick<FollowResponse_EndedLogin, "id" | "expiresAtMs">;

/** One node that follows the news. */
interface Follower {
  headSeq: bigint;
  readonly logins: EndedLogin[];
  wake(): void;
}

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

  /** Yields the news from now on. Only the latest position in the log is told to a slow follower. Ends by `signal`. */
  async *follow(signal: AbortSignal): AsyncGenerator<FollowResponse, void, void> {
    const follower: Follower = { headSeq: 0n, logins: [...this.#endedLogins()], wake: () => {} };
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
