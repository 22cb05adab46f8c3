import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Event, EventSchema } from "../../gen/sessiond/v1/event_pb.js";
import { systemClock as clock, systemRandom as random } from "../../src/adapters/node/system.ts";

/** Sessions for webhook measurements. */
export const sessions = Array.from({ length: 100 }, (_, n) => `session-${n}`);

const textLength = 560;
/** Source of random texts that all differ, so that LevelDB compresses them as little as real ones. */
const letters = randomBytes(49_152).toString("base64");

/** Creates an event whose webhook has a body of about 1 KB. */
export function eventOf(session: string): Event {
  const nowMs = clock.nowMs();
  const start = Math.floor(random.unit() * (letters.length - textLength));
  const body = letters.slice(start, start + textLength);
  return create(EventSchema, {
    id: `evt_${random.ulid(nowMs)}`,
    time: timestampFromMs(nowMs),
    name: "message",
    session,
    payload: { case: "message", value: { id: "false_1@c.us_AA", from: "1@c.us", to: "2@c.us", body } },
  });
}
