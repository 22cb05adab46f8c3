import type { Credentials, Engine, EngineFactory, UnlinkResult } from "../ports/engine.ts";
import { LeaseLost } from "../ports/sessions.ts";
import type { Clock } from "../ports/system.ts";
import type { ConnectGate } from "./connect-gate.ts";

/** Maximum of engines in one attempt. After a pairing WhatsApp asks for one new connection. */
const maxEngines = 3;
const retryMs = 500;

/** Options of one attempt to unlink a device. */
export interface Unlinking {
  /** The engine that is open already, if any. */
  readonly engine: Engine | undefined;
  /** Opens an engine on the device's login. If left out, no connection is made. */
  readonly open: (() => Engine) | undefined;
  readonly gate: ConnectGate | undefined;
  readonly clock: Clock;
  /** True to retry once if WhatsApp could not be reached. */
  readonly retries: boolean;
  /** Cancels the attempt and closes its engine. */
  readonly signal: AbortSignal;
}

/** Unlinks a device at WhatsApp; if WhatsApp asks for a new connection, with the next engine. All engines are closed when it resolves. */
export async function unlinkDevice({ engine, open, gate, clock, retries, signal }: Unlinking): Promise<UnlinkResult> {
  let result: UnlinkResult = engine ? await logOut(engine, signal) : "again";
  let retriesLeft = retries ? 1 : 0;
  for (let opened = 0; open && opened < maxEngines; opened += 1) {
    if (result === "unknown" && retriesLeft > 0) {
      retriesLeft -= 1;
      await waitFor(retryMs, clock, signal);
    } else if (result !== "again") return result;
    const leave = await enterGate(gate, clock, signal);
    if (!leave) return "unknown";
    try {
      result = await logOut(open(), signal);
    } finally {
      leave();
    }
  }
  return result === "again" ? "unknown" : result;
}

/** Returns whether credentials hold a login. Rejects with LeaseLost. */
export async function loginIn(
  factory: EngineFactory,
  credentials: Credentials,
): Promise<"some" | "none" | "unreadable"> {
  try {
    return (await factory.hasLogin(credentials)) ? "some" : "none";
  } catch (error) {
    if (error instanceof LeaseLost) throw error;
    return "unreadable";
  }
}

async function logOut(engine: Engine, signal: AbortSignal): Promise<UnlinkResult> {
  const cut = Promise.withResolvers<UnlinkResult>();
  const close = () => {
    engine.close().then(() => cut.resolve("unknown"), cut.reject);
  };
  if (signal.aborted) close();
  signal.addEventListener("abort", close, { once: true });
  try {
    return await Promise.race([engine.logout(), cut.promise]);
  } finally {
    signal.removeEventListener("abort", close);
  }
}

/** Waits for a slot at the gate. Resolves with the function that frees it, or with undefined if the signal comes first. */
async function enterGate(
  gate: ConnectGate | undefined,
  clock: Clock,
  signal: AbortSignal,
): Promise<(() => void) | undefined> {
  let slot = gate?.enter() ?? { leave: () => {} };
  while ("atMs" in slot && !signal.aborted) {
    await waitFor(slot.atMs - clock.nowMs(), clock, signal);
    slot = gate?.enter(slot) ?? { leave: () => {} };
  }
  if ("atMs" in slot) return undefined;
  if (!signal.aborted) return slot.leave;
  slot.leave();
  return undefined;
}

/** Resolves after `delayMs` or when the signal is aborted. */
async function waitFor(delayMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.schedule(Math.max(0, delayMs), resolve);
  const stop = () => resolve();
  signal.addEventListener("abort", stop, { once: true });
  await promise;
  cancel();
  signal.removeEventListener("abort", stop);
}
