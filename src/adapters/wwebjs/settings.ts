import { availableParallelism } from "node:os";
import type { Clock } from "../../ports/system.ts";
import type { ChromeOptions } from "./chrome.ts";
import { Turns } from "./turns.ts";

/** How WEBJS engines work. The clock and the directory are needed, all else has a default. */
export interface WwebjsOptions extends ChromeOptions, Partial<Limits> {
  readonly clock: Clock;
  /** Where the browsers' profiles lie, with the logins in them; made when it is first needed. */
  readonly profilesDirectory: string;
  /** Further arguments of Chromium (WAHA_WEBJS_PUPPETER_ARGS). */
  readonly extraArgs?: readonly string[] | undefined;
  /** What the phone lists the device as; the page's own if left out. */
  readonly deviceName?: string | undefined;
  readonly browserName?: string | undefined;
  /** How long each QR code lives; WhatsApp's rhythm of 60 s and then 20 s each if left out. */
  readonly qrTimeoutMs?: number | undefined;
}

/** How long things may take. */
export interface Limits {
  readonly launchTimeoutMs: number;
  /** From a running browser to the first code, or to the login's first sign of life. */
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
  /** For a page that shows a code to learn, at a logout, that a phone has just taken it. */
  readonly scanGraceMs: number;
}

/** The options with nothing left open. */
export type Settings = WwebjsOptions & Limits & { readonly launches: Turns };

const limits: Limits = {
  launchTimeoutMs: 30_000,
  pageTimeoutMs: 60_000,
  loginTimeoutMs: 180_000,
  reconnectTimeoutMs: 120_000,
  heartbeatIntervalMs: 30_000,
  answerTimeoutMs: 15_000,
  pairingCodeTimeoutMs: 10_000,
  logoutTimeoutMs: 4_000,
  scanGraceMs: 300,
};

/** A browser that starts keeps a processor busy; started all at once, none would be there in time. */
const launchesAtATime = () => Math.max(2, availableParallelism());

export const settingsOf = (options: WwebjsOptions): Settings => ({
  ...limits,
  ...options,
  launches: new Turns(launchesAtATime()),
});
