import { clone, create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Event,
  EventSchema,
  type MessagePayload,
  MessagePayloadSchema,
  type SessionStatusPayload_Past,
  SessionStatusPayload_PastSchema,
  SessionStatusPayloadSchema,
} from "../../gen/sessiond/v1/event_pb.js";
import { meOf, type SessionState, statusOf } from "./session.ts";

/** All names of events that a webhook can ask for: WAHA's (wire.md, section 5). */
export const eventNames = [
  "session.status",
  "message",
  "message.reaction",
  "message.any",
  "message.ack",
  "message.waiting",
  "message.revoked",
  "state.change",
  "group.join",
  "group.leave",
  "presence.update",
  "poll.vote",
  "poll.vote.failed",
  "chat.archive",
  "call.received",
  "call.accepted",
  "call.rejected",
  "label.upsert",
  "label.deleted",
  "label.chat.added",
  "label.chat.deleted",
] as const;

/** The last entry of a removed session's log. For streams; no webhook can ask for it. */
export const deletedEventName = "session.deleted";

/** What every event needs from outside: when it happened, and a maker of ULIDs. */
export interface EventContext {
  readonly nowMs: number;
  ulid(): string;
}

/** How many statuses a session.status event looks back on. */
const rememberedStatuses = 3;

/** The statuses to remember once `state` is announced. */
export function rememberedAfter(state: SessionState, nowMs: number): SessionStatusPayload_Past[] {
  const status = statusOf(state);
  if (state.statuses.at(-1)?.status === status) return state.statuses;
  const now = create(SessionStatusPayload_PastSchema, { status, time: timestampFromMs(nowMs) });
  return [...state.statuses, now].slice(-rememberedStatuses);
}

/** The event that announces a session's status. */
export function statusEvent(state: SessionState, context: EventContext): Event {
  const payload = create(SessionStatusPayloadSchema, {
    name: state.name,
    status: statusOf(state),
    statuses: state.statuses,
    statusReason: state.reason,
  });
  return event(state, "session.status", { case: "sessionStatus", value: payload }, context);
}

/** The events of one message: message.any for each, message for those of others. */
export function messageEvents(state: SessionState, message: MessagePayload, context: EventContext): Event[] {
  const payload = { case: "message", value: message } as const;
  const any = event(state, "message.any", payload, context);
  if (message.fromMe) return [any];
  return [event(state, "message", { case: "message", value: clone(MessagePayloadSchema, message) }, context), any];
}

/** The note that a session is gone. */
export const deletedEvent = (state: SessionState, context: EventContext): Event =>
  event(state, deletedEventName, { case: undefined }, context);

function event(state: SessionState, name: string, payload: Event["payload"], context: EventContext): Event {
  const me = meOf(state);
  return create(EventSchema, {
    id: `evt_${context.ulid()}`,
    time: timestampFromMs(context.nowMs),
    name,
    session: state.name,
    metadata: { ...state.config?.metadata },
    ...(me && { me }),
    engine: state.engine,
    payload,
  });
}
