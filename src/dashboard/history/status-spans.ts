import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import type { ListStatusHistoryResponse_Transition as Transition } from "../../../gen/sessiond/v1/session_service_pb.js";

/** Time during which a session had one status, as parts of a whole from 0 to 1. */
export interface StatusSpan {
  readonly status: Status;
  readonly start: number;
  readonly length: number;
}

/** Returns the spans between two times. `transitions` is sorted newest first; the time before the oldest has none. */
export function statusSpans(transitions: readonly Transition[], fromMs: number, toMs: number): StatusSpan[] {
  const wholeMs = toMs - fromMs;
  if (wholeMs <= 0) return [];
  let endMs = toMs;
  const spans: StatusSpan[] = [];
  for (const { status, time } of transitions) {
    const startMs = Math.min(endMs, Math.max(fromMs, msOf(time)));
    if (endMs > startMs) {
      spans.push({ status, start: (startMs - fromMs) / wholeMs, length: (endMs - startMs) / wholeMs });
    }
    endMs = startMs;
    if (endMs <= fromMs) break;
  }
  return spans.reverse();
}

/** Returns the part of the time that each status had, largest first. */
export function shareByStatus(spans: readonly StatusSpan[]): [Status, number][] {
  const shares = new Map<Status, number>();
  for (const { status, length } of spans) shares.set(status, (shares.get(status) ?? 0) + length);
  return [...shares].sort(([, a], [, b]) => b - a);
}

export const msOf = (time: Transition["time"]): number => (time ? timestampMs(time) : 0);
