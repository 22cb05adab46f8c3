import type { LinkPreviews } from "../../ports/link-previews.ts";
import type { Clock } from "../../ports/system.ts";
import type { SocketSettings } from "./client.ts";
import type { HeartbeatSettings } from "./heartbeat.ts";
import { builtInOnly, type NowebVersion } from "./noweb-versions.ts";

/** Options of NOWEB engines. Everything but the clock has a default. */
export interface BaileysOptions extends Partial<Omit<SocketSettings, "clock"> & HeartbeatSettings & Limits> {
  readonly clock: Clock;
  /** The client version to log in with; Baileys' default if left out. */
  readonly versions?: NowebVersion;
  /** Finds the previews of links; left out: links have none. */
  readonly previews?: LinkPreviews;
  /** True if libsignal signs and verifies in WebAssembly. Default: true. */
  readonly fastCurve?: boolean;
}

/** Timeouts. */
export interface Limits {
  /** For the WebSocket to open, and then for WhatsApp to answer the handshake. */
  readonly connectTimeoutMs: number;
  /** From the handshake to the first code or the login; after pairing, to WhatsApp's request to restart. */
  readonly loginTimeoutMs: number;
  readonly pairingCodeTimeoutMs: number;
  /** For WhatsApp to confirm that it has removed the device. */
  readonly logoutTimeoutMs: number;
  /** At a logout: for WhatsApp to answer a ping while a phone may be pairing, and then for it to ask for a restart. */
  readonly pairingEndTimeoutMs: number;
}

/** Options with all defaults filled in. */
export type Settings = SocketSettings &
  HeartbeatSettings &
  Limits &
  Required<Pick<BaileysOptions, "versions">> &
  Pick<BaileysOptions, "previews">;

const defaults = {
  connectTimeoutMs: 20_000,
  keepAliveIntervalMs: 30_000,
  probeAfterMs: 60_000,
  probeTimeoutMs: 10_000,
  queryTimeoutMs: 60_000,
  loginTimeoutMs: 180_000,
  pairingCodeTimeoutMs: 10_000,
  logoutTimeoutMs: 4_000,
  pairingEndTimeoutMs: 1_500,
};

/** Fills in the defaults. */
export const settingsOf = (options: BaileysOptions): Settings => ({
  ...defaults,
  versions: builtInOnly(),
  ...options,
});
