import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Delivery } from "../../../gen/sessiond/store/v1/store_pb.js";
import { type Event, EventSchema } from "../../../gen/sessiond/v1/event_pb.js";
import type { AttemptReport } from "../../ports/outbox.ts";

/** The settlement of a claimed delivery, with the entry that is stored in its place. */
export type Settlement =
  | { readonly type: "done"; readonly kept: Delivery }
  | { readonly type: "retry"; readonly next: Delivery }
  | { readonly type: "give_up"; readonly kept: Delivery };

/** How many attempts a delivery's log holds: more than a schedule allows, so that only sending again by hand can fill it. */
const maxLogged = 200;

/** Settles as delivered. Only the fields that identify the event are stored. */
export function delivered(delivery: Delivery, wallMs: number, report: AttemptReport | undefined): Settlement {
  const { event, ...rest } = settled(delivery, wallMs, delivery.attempts + 1, report);
  return { type: "done", kept: event ? { ...rest, event: named(event) } : rest };
}

/** It is to be tried again. */
export function postponed(delivery: Delivery, dueMs: number, report: AttemptReport | undefined): Settlement {
  const next = { ...withAttempt(delivery, report), attempts: delivery.attempts + 1, dueAt: timestampFromMs(dueMs) };
  return { type: "retry", next };
}

/** Settles as failed. Counts an attempt only if one was made. */
export function givenUp(delivery: Delivery, wallMs: number, reason: string, report?: AttemptReport): Settlement {
  const attempts = delivery.attempts + (report?.attempt ? 1 : 0);
  return { type: "give_up", kept: { ...settled(delivery, wallMs, attempts, report), reason } };
}

/** Returns a settled delivery as due again at once, with all its retries. */
export function dueAgain(delivery: Delivery, event: Event, nowMs: number): Delivery {
  const { settledAt: _, ...rest } = delivery;
  return { ...rest, event, attempts: 0, reason: "", dueAt: timestampFromMs(nowMs) };
}

function settled(delivery: Delivery, wallMs: number, attempts: number, report: AttemptReport | undefined): Delivery {
  const { dueAt: _, ...rest } = withAttempt(delivery, report);
  return { ...rest, attempts, settledAt: timestampFromMs(wallMs) };
}

function withAttempt(delivery: Delivery, report: AttemptReport | undefined): Delivery {
  return report?.attempt ? { ...delivery, log: [...delivery.log, report.attempt].slice(-maxLogged) } : delivery;
}

const named = ({ seq, id, time, name, session }: Event): Event =>
  create(EventSchema, { seq, id, name, session, ...(time && { time }) });
