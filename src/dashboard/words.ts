import {
  Engine_Kind as Engine,
  Session_Health as Health,
  Session_Remedy as Remedy,
  Session_Status as Status,
  Session_StatusReason as StatusReason,
} from "../../gen/sessiond/v1/session_pb.js";

/** Statuses in the order of their filters. */
export const statuses = [Status.WORKING, Status.SCAN_QR_CODE, Status.STARTING, Status.FAILED, Status.STOPPED] as const;

/** Word and shape of a status: colour alone must not tell it. */
export const statusWords: Readonly<Record<Status, { readonly label: string; readonly shape: string }>> = {
  [Status.STATUS_UNSPECIFIED]: { label: "Unknown", shape: "·" },
  [Status.WORKING]: { label: "Working", shape: "●" },
  [Status.SCAN_QR_CODE]: { label: "Scan QR code", shape: "▣" },
  [Status.STARTING]: { label: "Starting", shape: "◐" },
  [Status.FAILED]: { label: "Failed", shape: "▲" },
  [Status.STOPPED]: { label: "Stopped", shape: "■" },
};

/** Short names of reasons. The sentence about a reason comes from the server. */
export const reasonWords: Readonly<Record<StatusReason, string>> = {
  [StatusReason.STATUS_REASON_UNSPECIFIED]: "",
  [StatusReason.LOGGED_OUT]: "Logged out",
  [StatusReason.REPLACED]: "Replaced by another connection",
  [StatusReason.RESTART_REQUIRED]: "Restart required",
  [StatusReason.BANNED]: "Banned",
  [StatusReason.TEMPORARILY_BANNED]: "Temporarily banned",
  [StatusReason.CLIENT_OUTDATED]: "Client outdated",
  [StatusReason.REJECTED]: "Rejected",
  [StatusReason.UNREACHABLE]: "Unreachable",
  [StatusReason.PAIRING_TIMEOUT]: "Nobody scanned a code",
  [StatusReason.ENGINE_CRASHED]: "Engine crashed",
  [StatusReason.BAD_SESSION]: "Bad session",
  [StatusReason.CREDENTIALS_UNREADABLE]: "Login unreadable",
};

export const engineWords: Readonly<Record<Engine, string>> = {
  [Engine.KIND_UNSPECIFIED]: "",
  [Engine.NOWEB]: "NOWEB",
  [Engine.WEBJS]: "WEBJS",
};

export const healthWords: Readonly<Record<Health, string>> = {
  [Health.UNSPECIFIED]: "",
  [Health.HEALTHY]: "Healthy",
  [Health.SUSPECT]: "No answer from WhatsApp",
};

/** State of a node, in the word and shape that show it. */
export const nodeStateWords = {
  alive: { label: "Alive", shape: "●" },
  draining: { label: "Draining", shape: "◐" },
  silent: { label: "Silent", shape: "▲" },
} as const;

/** Remedy for a status: advice, and the name of the call behind the button, if a call helps. */
export interface RemedyWords {
  readonly advice: string;
  readonly button?: { readonly label: string; readonly action: RemedyAction };
}

export type RemedyAction = "restart" | "pair" | "logOutAndPair" | "restoreLogin";

export const remedyWords: Readonly<Record<Remedy, RemedyWords>> = {
  [Remedy.REMEDY_UNSPECIFIED]: { advice: "" },
  [Remedy.WAIT]: { advice: "Nothing to do: the server tries again by itself." },
  [Remedy.WAIT_UNTIL]: { advice: "Wait for the end of the ban: the server does not connect before it." },
  [Remedy.RESTART]: { advice: "Restart the session once.", button: { label: "Restart", action: "restart" } },
  [Remedy.PAIR_AGAIN]: { advice: "Pair the phone again.", button: { label: "Pair again", action: "pair" } },
  [Remedy.LOG_OUT_AND_PAIR]: {
    advice: "Remove the login, then pair the phone again.",
    button: { label: "Log out and pair", action: "logOutAndPair" },
  },
  [Remedy.UPGRADE_CLIENT]: {
    advice: "WhatsApp refuses this client version. Install a newer sessiond, or set SESSIOND_NOWEB_VERSION.",
    button: { label: "Try again", action: "restart" },
  },
  [Remedy.RESTORE_LOGIN]: {
    advice: "Restore the login with which the session last connected.",
    button: { label: "Restore login", action: "restoreLogin" },
  },
  [Remedy.CHECK_PROXY]: {
    advice: "Check the session's proxy: its address, user name and password.",
    button: { label: "Restart", action: "restart" },
  },
  [Remedy.CHECK_NETWORK]: {
    advice: "Check the server's connection to the internet.",
    button: { label: "Restart", action: "restart" },
  },
  [Remedy.REQUEST_REVIEW]: { advice: "WhatsApp has banned the account. Ask for a review in WhatsApp on the phone." },
};
