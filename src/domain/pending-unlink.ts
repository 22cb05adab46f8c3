import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { type PendingUnlink, PendingUnlinkSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { NowebConfigSchema, SessionConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { type RetryPolicy, reconnectDelayMs } from "./reconnect.ts";
import { bannedUntilMs } from "./session-leaving.ts";
import type { SessionState } from "./session-state.ts";

/** Time after which attempts to unlink a device end. Its owner can still remove it on the phone. */
export const pendingUnlinkLimitMs = 86_400_000;

/** Returns the unlink order for a session's login. Times are on the monotonic clock; `ulid` makes the id unique. */
export function setAside(session: SessionState, ulid: string, nowMs: number): PendingUnlink {
  const { name, engine, me, config } = session;
  return create(PendingUnlinkSchema, {
    // The colon keeps it apart from the names of sessions, which contain none.
    id: `unlink:${ulid}`,
    session: name,
    engine,
    ...(me && { me }),
    config: create(SessionConfigSchema, {
      ...(config?.proxy && { proxy: config.proxy }),
      debug: config?.debug ?? false,
      noweb: create(NowebConfigSchema, { markOnline: false }),
    }),
    since: timestampFromMs(nowMs),
    dueAt: timestampFromMs(Math.max(nowMs, bannedUntilMs(session))),
  });
}

/** Returns the order after a failed attempt, with the time of the next one. */
export function withFailedAttempt(pending: PendingUnlink, nowMs: number, policy: RetryPolicy): PendingUnlink {
  const attempts = pending.attempts + 1;
  const dueAt = timestampFromMs(nowMs + reconnectDelayMs(attempts, policy));
  return { ...pending, attempts, dueAt };
}

/**
 * Returns the delay until the next attempt, ms. It never exceeds the attempt's own delay, even if the clock was set
 * back.
 */
export function waitMs(pending: PendingUnlink, nowMs: number, policy: RetryPolicy): number {
  const { dueAt, since, attempts } = pending;
  const dueMs = dueAt ? timestampMs(dueAt) : nowMs;
  const longestMs = attempts > 0 ? reconnectDelayMs(attempts, policy) : dueMs - (since ? timestampMs(since) : dueMs);
  return Math.min(Math.max(0, dueMs - nowMs), longestMs, leftMs(pending, nowMs));
}

/** Returns the time left for attempts, ms; 0 once the limit has passed. */
export function leftMs({ since }: PendingUnlink, nowMs: number): number {
  const ageMs = since ? nowMs - timestampMs(since) : 0;
  return Math.max(0, pendingUnlinkLimitMs - Math.max(0, ageMs));
}
