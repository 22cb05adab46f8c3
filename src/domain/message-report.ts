import type { MessageLog } from "../../gen/sessiond/store/v1/store_pb.js";
import type { MessagePayload } from "../../gen/sessiond/v1/event_pb.js";
import { changeIdOf, isReported, withReported, withReportedId } from "./message-log.ts";
import type { MessageChange } from "./session-input.ts";
import type { SessionState } from "./session-state.ts";
import { type Transition, to } from "./session-transition.ts";

/** Returns the step that follows from a message: it is announced, unless it was before. */
export function reportMessage(record: SessionState, messages: MessageLog, message: MessagePayload): Transition {
  if (isReported(messages, message)) return to(record);
  return { ...to(record, { events: ["message"] }), messages: withReported(messages, message), message };
}

/** Returns the step that follows from a change of a message: it is announced, unless it was before. */
export function reportChange(record: SessionState, messages: MessageLog, messageChange: MessageChange): Transition {
  const id = changeIdOf(messageChange);
  if (messages.reported.includes(id)) return to(record);
  return { ...to(record, { events: ["message_change"] }), messages: withReportedId(messages, id), messageChange };
}
