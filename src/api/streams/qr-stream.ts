import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { SessionRecord_Phase as Phase, type SessionRecord } from "../../../gen/sessiond/store/v1/store_pb.js";
import {
  type QrCode,
  QrCodeSchema,
  type QrStreamRequest,
  type QrStreamResponse,
  type QrStreamResponse_Outcome,
  QrStreamResponse_OutcomeSchema,
  QrStreamResponseSchema,
  QrStreamResponse_Outcome_Result as Result,
} from "../../../gen/sessiond/v1/auth_service_pb.js";
import {
  type Me,
  Session_StatusReason as Reason,
  Session_Status as Status,
} from "../../../gen/sessiond/v1/session_pb.js";
import type { Clock } from "../../app/shown-time.ts";
import { sessionNotStarted } from "../../domain/errors.ts";
import { meOf, statusOf } from "../../domain/session.ts";
import type { Pairing, Sessions, Snapshot } from "../../ports/sessions.ts";
import { endOf } from "../errors.ts";
import type { DrawQr } from "../picture.ts";

/** Dependencies for showing codes. */
export interface QrView {
  readonly drawQr: DrawQr;
  readonly clock: Pick<Clock, "wallMsAt">;
}

/** The state of a stream's reader: the run of the session that it watches, and the last codes it received. */
export interface Seen {
  readonly run: string;
  readonly value: string;
  readonly code: string;
}

/** An item that follows from a snapshot. */
export type QrItem =
  | { case: "qr"; value: Pairing }
  | { case: "pairingCode"; value: string }
  | { case: "outcome"; value: QrStreamResponse_Outcome };

/** Returns the items for a reader who has `seen`; undefined for the first snapshot. Throws SESSION_NOT_STARTED only for that one. */
export function qrItems(
  session: string,
  seen: Seen | undefined,
  { record, pairing }: Pick<Snapshot, "record" | "pairing">,
): { seen: Seen; items: QrItem[] } {
  if (!record || statusOf(record) === Status.STOPPED) {
    if (!seen) throw sessionNotStarted(session);
    return { seen, items: [outcome(Result.CANCELLED)] };
  }
  const before = seen ?? firstSeen({ record });
  const end = endOfPairing(record, before.run);
  if (end) return { seen: before, items: [end] };
  if (record.phase !== Phase.PAIRING || !pairing) return { seen: before, items: [] };
  const { value, code = "" } = pairing;
  const items: QrItem[] = [];
  if (value !== before.value) items.push({ case: "qr", value: pairing });
  if (code !== "" && code !== before.code) items.push({ case: "pairingCode", value: code });
  return { seen: { ...before, value, code: code || before.code }, items };
}

/** Returns the state of a reader of the present run who has received no code. */
const firstSeen = ({ record }: Pick<Snapshot, "record">): Seen => ({
  run: record ? runOf(record) : "",
  value: "",
  code: "",
});

/** How the pairing has ended by now, if it has. */
function endOfPairing(record: SessionRecord, run: string): QrItem | undefined {
  // The owner has asked for something else meanwhile: earlier codes are void.
  if (runOf(record) !== run) return outcome(Result.CANCELLED);
  if (record.phase === Phase.FAILED) {
    const timedOut = record.reason === Reason.PAIRING_TIMEOUT;
    return outcome(timedOut ? Result.TIMED_OUT : Result.FAILED, { reason: record.reason });
  }
  const me = meOf(record);
  const paired = me && record.phase !== Phase.PAIRING && record.phase !== Phase.LOGGING_OUT;
  return paired ? outcome(Result.PAIRED, { me }) : undefined;
}

/** Identifies the owner's last request for the session, across a deletion and a new session of the same name. */
const runOf = ({ createdAt, revision }: SessionRecord) => `${createdAt ? timestampMs(createdAt) : 0}/${revision}`;

const outcome = (result: Result, more: { me?: Me; reason?: Reason } = {}): QrItem => ({
  case: "outcome",
  value: create(QrStreamResponse_OutcomeSchema, { result, ...more }),
});

/** Pictures by code. Drawing is expensive, and all readers get the same picture. */
const drawings = new WeakMap<Pairing, Promise<Uint8Array>>();

/** A code as callers get it. */
export async function qrCode(pairing: Pairing, { drawQr, clock }: QrView): Promise<QrCode> {
  const drawing = drawings.get(pairing) ?? drawQr(pairing.value);
  drawings.set(pairing, drawing);
  const { value, serial, remaining, issuedAtMs, expiresAtMs } = pairing;
  return create(QrCodeSchema, {
    value,
    png: await drawing,
    issuedAt: timestampFromMs(clock.wallMsAt(issuedAtMs)),
    expiresAt: timestampFromMs(clock.wallMsAt(expiresAtMs)),
    serial,
    remaining,
  });
}

/** The code to scan now, then each new one, and at last how the pairing ended. */
export async function* qrStream(
  sessions: Pick<Sessions, "watch">,
  { session, afterSeq }: Pick<QrStreamRequest, "session" | "afterSeq">,
  view: QrView,
  signal: AbortSignal,
): AsyncGenerator<QrStreamResponse, void, void> {
  let seen: Seen | undefined;
  for await (const snapshot of sessions.watch(session, signal)) {
    const isBack = seen === undefined && afterSeq > 0n;
    const next = qrItems(session, isBack ? firstSeen(snapshot) : seen, snapshot);
    seen = next.seen;
    for (const item of next.items) {
      const sent = item.case === "qr" ? ({ case: "qr", value: await qrCode(item.value, view) } as const) : item;
      yield create(QrStreamResponseSchema, { item: sent, seq: snapshot.seq });
      if (item.case === "outcome") return;
    }
  }
  throw endOf(signal);
}
