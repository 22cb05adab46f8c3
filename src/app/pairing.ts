import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { SessionError, sessionNotFound, sessionNotStarted, shuttingDown } from "../domain/errors.ts";
import { statusOf } from "../domain/session.ts";
import type { Pairing, Sessions } from "../ports/sessions.ts";
import type { Clock } from "../ports/system.ts";

/** Time for a STARTING session to show a code. */
const pairingWaitMs = 5_000;

/** Dependencies of waiting for a code. */
export interface PairingDeps {
  readonly sessions: Pick<Sessions, "get" | "watch">;
  readonly clock: Clock;
  /** Aborted when the server stops. */
  readonly closing: AbortSignal;
}

/** Returns the code that a phone can scan now. Waits at most 5 s for a STARTING session; throws in any other status. */
export async function waitForPairing(deps: PairingDeps, session: string, signal: AbortSignal): Promise<Pairing> {
  const { record, pairing } = await waitForStatus(deps, session, signal);
  if (pairing) return pairing;
  throw new SessionError(
    "SESSION_STATUS_UNEXPECTED",
    "Session status is not as expected. Try again later or restart the session",
    { session, status: Status[statusOf(record)] ?? "", expected: "SCAN_QR_CODE" },
  );
}

/** Resolves when a pairing code can be requested. Waits at most 5 s for a STARTING session; throws in any other status. */
export async function waitUntilPairable(deps: PairingDeps, session: string, signal: AbortSignal): Promise<void> {
  const { record, pairing } = await waitForStatus(deps, session, signal);
  if (pairing) return;
  const status = Status[statusOf(record)] ?? "";
  throw new SessionError(
    "CODE_STATUS_UNEXPECTED",
    `Can request code only in SCAN_QR_CODE status. The current status is ${status}`,
    { session, status, expected: "SCAN_QR_CODE" },
  );
}

/** Returns the record with its pairing once it is SCAN_QR_CODE, else the record as it is when waiting ends. */
async function waitForStatus(
  { sessions, clock, closing }: PairingDeps,
  session: string,
  signal: AbortSignal,
): Promise<{ record: SessionRecord; pairing?: Pairing }> {
  const waiting = new AbortController();
  const cancel = clock.schedule(pairingWaitMs, () => waiting.abort());
  try {
    let last: SessionRecord | undefined;
    const until = AbortSignal.any([signal, waiting.signal, closing]);
    for await (const { record, pairing } of sessions.watch(session, until)) {
      if (!record || statusOf(record) === Status.STOPPED) throw sessionNotStarted(session);
      if (statusOf(record) === Status.SCAN_QR_CODE && pairing) return { record, pairing };
      if (statusOf(record) !== Status.STARTING && statusOf(record) !== Status.SCAN_QR_CODE) return { record };
      last = record;
    }
    if (closing.aborted) throw shuttingDown();
    const record = last ?? (await sessions.get(session)).record;
    if (!record) throw sessionNotFound(session);
    return { record };
  } finally {
    cancel();
  }
}
