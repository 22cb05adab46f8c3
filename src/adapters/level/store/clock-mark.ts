import { fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { DeliverySchema } from "../../../../gen/sessiond/store/v1/store_pb.js";
import { EventSchema } from "../../../../gen/sessiond/v1/event_pb.js";
import type { EndpointName } from "../../embedded/endpoints.ts";
import type { Database, Operation } from "./database.ts";
import { keyOf, numberBytes, numberOf, rangeOf } from "./key.ts";

/** How far the monotonic clock had come at the last write: the next process goes on from there, so that no stored wait grows. */
const clockKey = keyOf("meta", "clock");

/** Records where the monotonic clock is. */
export const clockAddition = (nowMs: number): Operation => ({
  type: "put",
  key: clockKey,
  value: numberBytes(BigInt(nowMs)),
});

/** Where the monotonic clock was at the last write, as far as the store tells; undefined for an empty one. */
export async function lastWrittenMs(
  database: Database,
  lastSeq: bigint,
  pending: readonly EndpointName[],
): Promise<number | undefined> {
  const recorded = await database.get(clockKey);
  return recorded ? Number(numberOf(recorded)) : lastActivityMs(database, lastSeq, pending);
}

/** A store written before the clock was recorded tells by its newest event, and by the attempts of each endpoint's first and last retry. */
async function lastActivityMs(database: Database, lastSeq: bigint, pending: readonly EndpointName[]) {
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
