import { signal } from "@preact/signals";
import { sessionCalls } from "../sessions/session-calls.ts";
import { BulkRun } from "./bulk-run.ts";

export type BulkAction = keyof typeof sessionCalls;

/** Names of the calls, and their effect in one sentence. */
export const bulkWords: Readonly<Record<BulkAction, { readonly label: string; readonly effect: string }>> = {
  start: { label: "Start", effect: "Sessions that run already are left as they are." },
  stop: { label: "Stop", effect: "They receive no messages until they are started again. Their logins stay." },
  restart: { label: "Restart", effect: "Each of them connects anew, with the login that it has." },
  logout: { label: "Log out", effect: "Their devices are unlinked. Each of them needs to be paired again." },
  delete: { label: "Delete", effect: "Their devices are unlinked. Their configurations and their data are removed." },
};

/** A run, and the action that it is about. */
export interface CurrentRun {
  readonly action: BulkAction;
  readonly run: BulkRun;
}

/** The run that the page shows. It goes on while another view is shown. */
export const currentRun = signal<CurrentRun | undefined>(undefined);

/** Asks for a confirmation of an action on sessions. The set of sessions stays as it is now. */
export function proposeRun(action: BulkAction, names: readonly string[]): void {
  currentRun.value = { action, run: new BulkRun(names, sessionCalls[action]) };
}

/** Returns a number of sessions in words. */
export const countSessions = (count: number): string => (count === 1 ? "1 session" : `${count} sessions`);
