import { availableParallelism } from "node:os";
import type { Clock } from "../../ports/system.ts";
import type { ChromeOptions } from "./chrome.ts";
import { Semaphore } from "./semaphore.ts";

/** Options of WEBJS engines. The clock and the directory are required; everything else has a default. */
export interface WwebjsOptions extends ChromeOptions, Partial<Limits> {
  readonly clock: Clock;
  /** Directory of the browsers' profiles, which hold the logins. Created on first use. */
  readonly profilesDirectory: string;
  /** Further arguments of Chromium (WAHA_WEBJS_PUPPETER_ARGS). */
  readonly extraArgs?: readonly string[] | undefined;
  /** Name under which the phone lists the device; the page's own if left out. */
  readonly deviceName?: string | undefined;
  readonly browserName?: string | undefined;
  /** Lifetime of each QR code; WhatsApp's rhythm of 60 s and then 20 s each if left out. */
  readonly qrTimeoutMs?: number | undefined;
}

/** Timeouts and intervals. */
export interface Limits {
  readonly launchTimeoutMs: number;
  /** From a running browser to the first code, or to the first state of a login. */
  readonly pageTimeoutMs: number;
  /** From there, or from a scanned code, to the end of the synchronisation. */
  readonly loginTimeoutMs: number;
  /** For the page to get its connection back. */
  readonly reconnectTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** For the page to answer a heartbeat, or with a picture. */
  readonly answerTimeoutMs: number;
  readonly pairingCodeTimeoutMs: number;
  /** For the page to leave once it was asked to log out. */
  readonly logoutTimeoutMs: number;
  /** For WhatsApp to acknowledge a message before the engine counts it as handed over. */
  readonly sendTimeoutMs: number;
  /** For the page to send a message by itself that an earlier document has stored. */
  readonly resendPatienceMs: number;
  /** At a logout: for a page that shows a code to learn that a phone has just taken it. */
  readonly scanGraceMs: number;
}

/** Options with all defaults filled in. */
export type Settings = WwebjsOptions & Limits & { readonly launches: Semaphore };

const limits: Limits = {
  launchTimeoutMs: 30_000,
  pageTimeoutMs: 60_000,
  loginTimeoutMs: 180_000,
  reconnectTimeoutMs: 120_000,
  heartbeatIntervalMs: 30_000,
  answerTimeoutMs: 15_000,
  pairingCodeTimeoutMs: 10_000,
  logoutTimeoutMs: 4_000,
  sendTimeoutMs: 15_000,
  resendPatienceMs: 3_000,
  scanGraceMs: 1_000,
};

/** A starting browser keeps a processor busy, so too many at once would all start too late. */
const launchesAtATime = () => Math.max(2, availableParallelism());

/** Fills in the defaults. */
export const settingsOf = (options: WwebjsOptions): Settings => ({
  ...limits,
  ...options,
  launches: new Semaphore(launchesAtATime()),
});
