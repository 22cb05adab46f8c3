import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { type PendingUnlink, PendingUnlinkSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { NowebConfigSchema, SessionConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { type RetryPolicy, reconnectDelayMs } from "./reconnect.ts";
import { bannedUntilMs } from "./session-leaving.ts";
import type { SessionState } from "./session-state.ts";

/** After this the device is left to its owner's phone. */
export const pendingUnlinkLimitMs = 86_400_000;

/** The login of a session as it is set aside; times are the monotonic clock's. `ulid` makes its id unique. */
export function setAside(session: SessionState, ulid: string, nowMs: number): PendingUnlink {
  const { name, engine, me, config } = session;
  return create(PendingUnlinkSchema, {
    // No session's name holds a colon.
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

/** The same after a failed attempt. */
export function attempted(pending: PendingUnlink, nowMs: number, policy: RetryPolicy): PendingUnlink {
  const attempts = pending.attempts + 1;
  const dueAt = timestampFromMs(nowMs + reconnectDelayMs(attempts, policy));
  return { ...pending, attempts, dueAt };
}

/** How long to wait for the next attempt. Never longer than its own delay, even if the clock was set back meanwhile. */
export function waitMs(pending: PendingUnlink, nowMs: number, policy: RetryPolicy): number {
  const { dueAt, since, attempts } = pending;
  const dueMs = dueAt ? timestampMs(dueAt) : nowMs;
  const longestMs = attempts > 0 ? reconnectDelayMs(attempts, policy) : dueMs - (since ? timestampMs(since) : dueMs);
  return Math.min(Math.max(0, dueMs - nowMs), longestMs, leftMs(pending, nowMs));
}

/** How long it is still tried; 0 once its time is over. */
export function leftMs({ since }: PendingUnlink, nowMs: number): number {
  const ageMs = since ? nowMs - timestampMs(since) : 0;
  return Math.max(0, pendingUnlinkLimitMs - Math.max(0, ageMs));
}
