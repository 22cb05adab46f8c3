import { clone, create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Event,
  EventSchema,
  type MessagePayload,
  MessagePayloadSchema,
  SessionHealthPayloadSchema,
  type SessionStatusPayload_Past,
  SessionStatusPayload_PastSchema,
  SessionStatusPayloadSchema,
  WebhookDisabledPayloadSchema,
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
  "message.edited",
  "message.ack.group",
  "state.change",
  "group.join",
  "group.leave",
  "group.v2.join",
  "group.v2.leave",
  "group.v2.update",
  "group.v2.participants",
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
  "event.response",
  "event.response.failed",
  "engine.event",
] as const;

/** The last entry of a removed session's log. For streams; no webhook can ask for it. */
export const deletedEventName = "session.deleted";

/** An endpoint was switched off: no name of WAHA's, posted to those who ask for it or for all. */
export const disabledEventName = "webhook.disabled";

/** A connection has stopped answering, or answers again: no name of WAHA's, posted to those who ask for it or for all. */
export const healthEventName = "session.health";

/** The names of events that webhooks are posted here; the rest of `eventNames` is accepted and never fires. */
export const postedEventNames: readonly string[] = [
  "session.status",
  "message",
  "message.any",
  healthEventName,
  disabledEventName,
];

/** A test, posted to whoever it is meant for. */
export const testEventName = "webhook.test";

/** All names that events of the log have. */
export const loggedEventNames: readonly string[] = [
  ...eventNames,
  healthEventName,
  disabledEventName,
  testEventName,
  deletedEventName,
];

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

/** The event that tells whether a session's connection answers; `lastInboundAtMs`: when WhatsApp was last heard, if that is known. */
export function healthEvent(state: SessionState, lastInboundAtMs: number | undefined, context: EventContext): Event {
  const payload = create(SessionHealthPayloadSchema, {
    name: state.name,
    health: state.health,
    ...(lastInboundAtMs !== undefined && { lastInboundAt: timestampFromMs(lastInboundAtMs) }),
  });
  return event(state, healthEventName, { case: "sessionHealth", value: payload }, context);
}

/** How many messages a session remembers to have reported. */
const rememberedMessages = 100;

/** Whether a message was reported already; WhatsApp sends again what it knows nobody to have. */
export const isReported = (state: SessionState, message: MessagePayload): boolean =>
  idsOf(message).some((id) => state.recentMessages.includes(id));

/** The id of a message, and the one it had while its people's LIDs were all that was known of them. */
function idsOf(message: MessagePayload): string[] {
  const { id, fromMe, from, fromLid, to, toLid, participant, participantLid } = message;
  const [chat, chatLid] = fromMe ? [to, toLid] : [from, fromLid];
  const start = `${fromMe}_${chat}_`;
  const end = participant ? `_${participant}` : "";
  const key = id.slice(start.length, id.length - end.length);
  return [id, `${fromMe}_${chatLid ?? chat}_${key}${participant ? `_${participantLid ?? participant}` : ""}`];
}

/** The state once this message is reported. */
export function afterMessage(state: SessionState, { id, timestamp }: MessagePayload): SessionState {
  const recentMessages = [...state.recentMessages.slice(1 - rememberedMessages), id];
  const sentAtMs = timestamp * 1_000;
  const isNewest = !state.lastMessageAt || timestampMs(state.lastMessageAt) < sentAtMs;
  return { ...state, recentMessages, ...(isNewest && { lastMessageAt: timestampFromMs(sentAtMs) }) };
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

/** The event that tells that an endpoint was switched off; `about` is the event whose delivery led to it. */
export function webhookDisabledEvent(
  about: Event,
  payload: MessageInitShape<typeof WebhookDisabledPayloadSchema>,
  context: EventContext,
): Event {
  const { session, metadata, me, engine } = about;
  return create(EventSchema, {
    id: `evt_${context.ulid()}`,
    time: timestampFromMs(context.nowMs),
    name: disabledEventName,
    session,
    metadata,
    ...(me && { me }),
    engine,
    payload: { case: "webhookDisabled", value: create(WebhookDisabledPayloadSchema, payload) },
  });
}

/** An event that means nothing, to try an endpoint with. */
export const testEvent = (state: SessionState, context: EventContext): Event =>
  event(state, testEventName, { case: undefined }, context);

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
