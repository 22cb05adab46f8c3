import {
  Engine_Kind as Engine,
  Session_Health as Health,
  Session_Remedy as Remedy,
  Session_Status as Status,
  Session_StatusReason as StatusReason,
} from "../../gen/sessiond/v1/session_pb.js";
import type { SessionRow } from "../../src/dashboard/sessions/session-row.ts";

/** Returns a row with these fields, and plain values in the others. */
export function rowWith(fields: Partial<SessionRow> & { readonly name: string }): SessionRow {
  return {
    status: Status.WORKING,
    reason: StatusReason.STATUS_REASON_UNSPECIFIED,
    message: "",
    remedy: Remedy.REMEDY_UNSPECIFIED,
    engine: Engine.NOWEB,
    account: undefined,
    sinceMs: undefined,
    attempt: 0,
    nextAttemptAtMs: undefined,
    health: Health.HEALTHY,
    metadata: {},
    failingWebhooks: 0,
    seq: 1n,
    ...fields,
  };
}
