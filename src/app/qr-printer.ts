import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import type { Backend } from "../ports/backend.ts";

/** Prints each new QR code of every session until `signal` aborts, then resolves. */
export async function printQrs(
  backend: Pick<Backend, "sessions" | "log">,
  print: (session: string, value: string) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { seq } = await backend.sessions.list();
  for await (const { session, payload } of backend.log.events(undefined, seq, signal)) {
    if (payload.case !== "sessionStatus" || payload.value.status !== Status.SCAN_QR_CODE) continue;
    // The log does not contain the code, so this reads the current one. A code that is already gone is not printed.
    const { pairing } = await backend.sessions.get(session);
    if (pairing) await print(session, pairing.value);
  }
}
