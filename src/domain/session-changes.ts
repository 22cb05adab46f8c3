import { isSameAccount } from "./account.ts";
import { accountOf, failedAttemptsOf, meOf, type SessionState } from "./session-state.ts";

/** Parts of a session that can change while its status stays, and that lists of sessions show. */
export type ChangedPart = "attempt" | "health" | "config" | "account";

/** Returns the parts that differ between two states of a session. */
export function changedParts(before: SessionState, after: SessionState): ChangedPart[] {
  const changed: ChangedPart[] = [];
  if (failedAttemptsOf(before) !== failedAttemptsOf(after)) changed.push("attempt");
  if (before.health !== after.health) changed.push("health");
  if (before.config !== after.config) changed.push("config");
  const isSame = isSameAccount(meOf(before), meOf(after)) && isSameAccount(accountOf(before), accountOf(after));
  if (!isSame) changed.push("account");
  return changed;
}

/** Returns the state with the account that the session was last paired with, given the state before. */
export function withAccount(after: SessionState, before: SessionState): SessionState {
  const former = accountOf(before);
  const account = after.me && former?.id === after.me.id && after.me.pushName === "" ? former : (after.me ?? former);
  return account && account !== after.account ? { ...after, account } : after;
}
