import { fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { DeliverySchema } from "../../../../gen/sessiond/store/v1/store_pb.js";
import { EventSchema } from "../../../../gen/sessiond/v1/event_pb.js";
import type { EndpointName } from "../../embedded/endpoints.ts";
import type { Database, Operation } from "./database.ts";
import { keyOf, numberBytes, numberOf, rangeOf } from "./key.ts";

/** Key of the monotonic clock's time at the last write. The next process continues from there, so that no stored wait grows. */
const clockKey = keyOf("meta", "clock");

/** Returns the operation that records the monotonic clock's time. */
export const recordClock = (nowMs: number): Operation => ({
  type: "put",
  key: clockKey,
  value: numberBytes(BigInt(nowMs)),
});

/** Returns the monotonic clock's time at the last write; undefined for an empty store. */
export async function readLastWrittenMs(
  database: Database,
  lastSeq: bigint,
  pending: readonly EndpointName[],
): Promise<number | undefined> {
  const recorded = await database.get(clockKey);
  return recorded ? Number(numberOf(recorded)) : estimateLastWrittenMs(database, lastSeq, pending);
}

/** Estimates the time from the newest event and from the attempts of each endpoint's first and last retry, for stores without a record. */
async function estimateLastWrittenMs(database: Database, lastSeq: bigint, pending: readonly EndpointName[]) {
  const event = await database.get(keyOf("event", lastSeq));
  const time = event && fromBinary(EventSchema, event).time;
  const found = time ? [timestampMs(time)] : [];
  for (const { session, endpointId } of pending) {
    const range = rangeOf("retry", session, endpointId);
    for (const reverse of [false, true]) {
      const values = await database.values({ ...range, reverse, limit: 1 }).all();
      for (const value of values) {
        const attempt = fromBinary(DeliverySchema, value).log.at(-1);
        if (attempt?.time) found.push(timestampMs(attempt.time) + attempt.latencyMs);
      }
    }
  }
  return found.length > 0 ? Math.max(...found) : undefined;
}
