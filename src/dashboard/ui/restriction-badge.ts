import { html } from "htm/preact";
import { Session_StatusReason as StatusReason } from "../../../gen/sessiond/v1/session_pb.js";
import type { SessionRow } from "../sessions/session-row.ts";
import { currentMs, formatDuration, formatTime } from "./time.ts";

type Restricted = Pick<SessionRow, "reason" | "nextAttemptAtMs">;

/** Returns whether WhatsApp has restricted the account for a time. */
export const isRestriction = ({ reason }: Restricted): boolean => reason === StatusReason.TEMPORARILY_BANNED;

/** Says until when WhatsApp restricts the account. */
export const RestrictionBadge = ({ row }: { row: Restricted }) => {
  if (!isRestriction(row)) return html``;
  const { nextAttemptAtMs: end } = row;
  if (end === undefined) return html`<span class="badge">Restricted</span>`;
  return html`<span class="badge" title=${`Until ${formatTime(end)}`}>Restricted for ${formatDuration(Math.max(0, end - currentMs.value))}</span>`;
};
