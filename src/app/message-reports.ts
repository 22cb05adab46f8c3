import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import type { EngineEvent } from "../ports/engine.ts";
import { isIgnoredReport } from "./ignored-reports.ts";
import type { RunnerDeps } from "./runner-deps.ts";
import type { SessionSends } from "./sending/session-sends.ts";

/** A report that changes the session or its log. */
export type SessionReport = Exclude<EngineEvent, { readonly type: "ack" }>;

/** Lets the session's sends take their part of a report. Returns the report as the session takes it; undefined if nothing is left of it. */
export async function takeMessageReport(
  event: EngineEvent,
  record: SessionRecord,
  sends: SessionSends,
  deps: RunnerDeps,
): Promise<SessionReport | undefined> {
  if (event.type === "ack") {
    await sends.acknowledge(event.report);
    return undefined;
  }
  if (event.type === "message_change") await sends.takeChange(event.change);
  // The engine acknowledges it all the same; WhatsApp would repeat it for ever.
  if (isIgnoredReport(event, record, deps)) return undefined;
  if (event.type !== "message") return event;
  return { ...event, message: deps.fileLinks?.link(record, event.message) ?? event.message };
}
