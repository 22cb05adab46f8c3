import { clone, create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Event,
  EventSchema,
  type MessageAckPayload,
  type MessagePayload,
  MessagePayloadSchema,
  SessionHealthPayloadSchema,
  type SessionStatusPayload,
  SessionStatusPayloadSchema,
  WebhookDisabledPayloadSchema,
} from "../../gen/sessiond/v1/event_pb.js";
import { type RemedyContext, remedyOf } from "./remedy.ts";
import {
  accountOf,
  failedAttemptsOf,
  meOf,
  nextAttemptAtMs,
  type SessionState,
  statusOf,
  type Transition,
} from "./session.ts";
import type { MessageChange } from "./session-input.ts";

/** The names of events that a webhook can ask for: WAHA's (wire.md, section 5). */
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

/** The last entry of a removed session's log. For streams only: webhooks cannot ask for it. */
export const deletedEventName = "session.deleted";

/** An endpoint was disabled. Not one of WAHA's names; posted to endpoints that ask for it or for all. */
export const disabledEventName = "webhook.disabled";

/** A connection has stopped answering, or answers again. Not one of WAHA's names; posted to endpoints that ask for it or for all. */
export const healthEventName = "session.health";

/** Something other than a session's status has changed. For streams that ask for it: webhooks cannot. */
export const updatedEventName = "session.updated";

/** The names of events that webhooks receive; the others in `eventNames` are accepted and never fire. */
export const postedEventNames: readonly string[] = [
  "session.status",
  "message",
  "message.any",
  "message.ack",
  "message.ack.group",
  "message.reaction",
  "message.edited",
  "message.revoked",
  healthEventName,
  disabledEventName,
];

/** A test, posted to the endpoints that it names. */
export const testEventName = "webhook.test";

/** The names of all events in the log. */
export const loggedEventNames: readonly string[] = [
  ...eventNames,
  healthEventName,
  disabledEventName,
  testEventName,
  deletedEventName,
  updatedEventName,
];

/** The time of an event (Unix ms), and a generator of ULIDs. */
export interface EventContext {
  readonly nowMs: number;
  ulid(): string;
}

/** Facts that events about a session's status tell besides its state. */
export interface StatusContext extends EventContext, RemedyContext {
  /** Converts a monotonic time to Unix time (ms). */
  wallMsAt(atMs: number): number;
}

/** Returns the event that announces a session's status. */
export const statusEvent = (state: SessionState, context: StatusContext): Event =>
  event(state, "session.status", { case: "sessionStatus", value: statusPayload(state, context) }, context);

/** Returns the event that announces a change of other parts. */
export function updatedEvent(state: SessionState, changed: readonly string[], context: StatusContext): Event {
  const value = { ...statusPayload(state, context), changed: [...changed] };
  return event(state, updatedEventName, { case: "sessionStatus", value }, context);
}

function statusPayload(state: SessionState, context: StatusContext): SessionStatusPayload {
  const account = accountOf(state);
  const nextMs = nextAttemptAtMs(state);
  return create(SessionStatusPayloadSchema, {
    name: state.name,
    status: statusOf(state),
    statuses: state.statuses,
    statusReason: state.reason,
    statusMessage: state.reasonMessage,
    attempt: failedAttemptsOf(state),
    ...(nextMs !== undefined && { nextAttemptAt: timestampFromMs(context.wallMsAt(nextMs)) }),
    health: state.health,
    ...(account && { account }),
    remedy: remedyOf(state, context),
  });
}

/** Returns the event that reports a session's health. `lastInboundAtMs`: Unix time when WhatsApp was last heard, if known. */
export function healthEvent(state: SessionState, lastInboundAtMs: number | undefined, context: EventContext): Event {
  const payload = create(SessionHealthPayloadSchema, {
    name: state.name,
    health: state.health,
    ...(lastInboundAtMs !== undefined && { lastInboundAt: timestampFromMs(lastInboundAtMs) }),
  });
  return event(state, healthEventName, { case: "sessionHealth", value: payload }, context);
}

/** Returns the events of one message: message.any for each, and message unless the account sent it itself. */
export function messageEvents(state: SessionState, message: MessagePayload, context: EventContext): Event[] {
  const payload = { case: "message", value: message } as const;
  const any = event(state, "message.any", payload, context);
  if (message.fromMe) return [any];
  return [event(state, "message", { case: "message", value: clone(MessagePayloadSchema, message) }, context), any];
}

/** Names of the events about changes of messages. */
const changeNames = {
  messageReaction: "message.reaction",
  messageEdited: "message.edited",
  messageRevoked: "message.revoked",
} as const satisfies Record<MessageChange["case"], string>;

/** Returns the event of a reaction to a message, its new text, or its deletion. */
export const messageChangeEvent = (state: SessionState, change: MessageChange, context: EventContext): Event =>
  event(state, changeNames[change.case], change, context);

/** Returns the event of WhatsApp's report on a message that was sent. A group's members have a name of their own for it. */
export const messageAckEvent = (state: SessionState, value: MessageAckPayload, context: EventContext): Event =>
  event(
    state,
    value.participant === undefined ? "message.ack" : "message.ack.group",
    { case: "messageAck", value },
    context,
  );

/** Returns the last event of a removed session. */
export const deletedEvent = (state: SessionState, context: EventContext): Event =>
  event(state, deletedEventName, { case: undefined }, context);

/** Returns the event that reports a disabled endpoint. `about` is the event whose delivery led to it. */
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

/** Returns an event without content, to test an endpoint. */
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

/** Returns the events that a transition announces. `lastInboundAtMs`: Unix time when WhatsApp was last heard, if known. */
export const announcedEvents = (
  { state, events, message, messageChange, changed = [] }: Transition,
  lastInboundAtMs: number | undefined,
  context: StatusContext,
): Event[] =>
  events.flatMap((name) => {
    if (name === "session.status") return statusEvent(state, context);
    if (name === "session.updated") return updatedEvent(state, changed, context);
    if (name === "session.health") return healthEvent(state, lastInboundAtMs, context);
    if (name === "message_change") return messageChange ? messageChangeEvent(state, messageChange, context) : [];
    return message ? messageEvents(state, message, context) : [];
  });
