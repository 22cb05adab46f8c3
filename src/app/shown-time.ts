import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { EndpointHealth } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Clock } from "../ports/system.ts";

export type { Clock, MonotonicClock, WallClock } from "../ports/system.ts";

type WallTime = Pick<Clock, "wallMsAt">;

/** Converts a stored time of the monotonic clock to Unix time, by the current wall clock. */
export const toWallTime = (time: Timestamp, clock: WallTime): Timestamp =>
  timestampFromMs(clock.wallMsAt(timestampMs(time)));

/** Converts the times of an endpoint's health to Unix time. */
export const toWallHealth = (health: EndpointHealth, clock: WallTime): EndpointHealth => ({
  ...health,
  ...(health.failingSince && { failingSince: toWallTime(health.failingSince, clock) }),
  ...(health.sparedUntil && { sparedUntil: toWallTime(health.sparedUntil, clock) }),
  ...(health.disabledAt && { disabledAt: toWallTime(health.disabledAt, clock) }),
  ...(health.probeAt && { probeAt: toWallTime(health.probeAt, clock) }),
});
