import { create } from "@bufbuild/protobuf";
import {
  SessionRecord_Phase as Phase,
  type SessionRecord,
  SessionRecordSchema,
} from "../../gen/sessiond/store/v1/store_pb.js";
import {
  Session_DesiredState as Desired,
  MeSchema,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import { noMessages } from "../../src/domain/message-log.ts";
import { type CloseCause, defaultPolicy, type SessionInput, statusOf, transition } from "../../src/domain/session.ts";

export const nowMs = 1_700_000_000_000;
export const policy = { ...defaultPolicy, jitter: 0.5 };
export const me = create(MeSchema, { id: "79111111@c.us", pushName: "WAHA" });

export const stopped = () =>
  create(SessionRecordSchema, { name: "default", phase: Phase.STOPPED, desiredState: Desired.STOPPED, revision: 1 });
export const inPhase = (phase: Phase, more: Partial<SessionRecord> = {}) => ({
  ...stopped(),
  desiredState: Desired.RUNNING,
  phase,
  ...more,
});
/** Applies an input to a session that has reported no messages. Wall clock and monotonic clock agree. */
export const transit = (record: SessionRecord, input: SessionInput, atMs = nowMs, more = policy) =>
  transition({ record, messages: noMessages }, input, { nowMs: atMs, wallMs: atMs }, more);
/** Applies an input and lists the effects of the transition: events that webhooks can receive, wipe and actions. */
export function step(state: SessionRecord, input: SessionInput, atMs = nowMs) {
  const next = transit(state, input, atMs);
  const announcements = {
    "session.status": "announce",
    "session.health": "announce_health",
    message: "announce_message",
    message_change: "announce_message_change",
  } as const;
  const types = [
    ...next.events.filter((event) => event !== "session.updated").map((event) => announcements[event]),
    ...(next.wipe !== "none" ? (["wipe"] as const) : []),
    ...next.actions.map(({ type }) => type),
  ];
  return { state: next.state, effects: types.map((type) => ({ type })) };
}
export const closed = (cause: CloseCause, untilMs?: number): SessionInput => ({
  type: "closed",
  cause,
  message: "why",
  ...(untilMs !== undefined && { untilMs }),
});

/** Applies the inputs and lists the status after each, with its effects. */
export function walk(from: SessionRecord, inputs: SessionInput[]) {
  const seen: string[] = [];
  let state = from;
  for (const input of inputs) {
    const next = step(state, input);
    state = next.state;
    seen.push(`${input.type}: ${Status[statusOf(state)]} ${next.effects.map((e) => e.type).join(" ")}`.trim());
  }
  return { state, seen };
}

/** Statuses that users may see after each status. */
export const legalSteps: Readonly<Record<string, readonly string[]>> = {
  STOPPED: ["STARTING"],
  STARTING: ["SCAN_QR_CODE", "WORKING", "FAILED", "STOPPED"],
  SCAN_QR_CODE: ["SCAN_QR_CODE", "STARTING", "WORKING", "FAILED", "STOPPED"],
  WORKING: ["STARTING", "FAILED", "STOPPED"],
  FAILED: ["STARTING", "STOPPED"],
};
