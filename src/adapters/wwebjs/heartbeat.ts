import type { Clock } from "../../ports/system.ts";
import { EngineEnd } from "../engine/close-cause.ts";
import type { EngineLife } from "../engine/engine-life.ts";
import type { PageStatus } from "./page-script.ts";

/** Intervals of the heartbeat. */
export interface HeartbeatSettings {
  readonly clock: Clock;
  readonly heartbeatIntervalMs: number;
  /** Time for the page to answer. */
  readonly answerTimeoutMs: number;
}

/** The page of a heartbeat. */
export interface HeartbeatPage {
  /** Asks for the page's status. Rejects while the page changes documents. */
  status(): Promise<PageStatus>;
}

/** Asks a page for its status at intervals until the engine ends. Ends the engine if the page hangs, which it does not report itself. */
export function startHeartbeat(
  life: EngineLife,
  settings: HeartbeatSettings,
  page: HeartbeatPage,
  onStatus: (status: PageStatus) => void,
): void {
  const { clock, heartbeatIntervalMs, answerTimeoutMs } = settings;
  let cancel = () => {};
  const schedule = () => {
    cancel = clock.schedule(heartbeatIntervalMs, () => life.enqueue(beat));
  };
  const beat = async () => {
    const status = page.status().catch(() => "between documents" as const);
    const answer = await life.within(answerTimeoutMs, status);
    if (life.closed) return;
    if (!answer) throw new EngineEnd({ cause: "engine_crashed", message: "The page does not answer" });
    if (answer !== "between documents") onStatus(answer);
    if (!life.closed) schedule();
  };
  if (life.closed) return;
  life.signal.addEventListener("abort", () => cancel(), { once: true });
  schedule();
}
