/** Offsets below this are noise: Date has whole seconds, and answers take their time. */
const noiseMs = 2_000;

let offsetMs = 0;

/** Learns how far the server's clock is from the browser's, from the Date header of an answer. */
export function noteServerTime(date: string | null, sentAtMs: number, receivedAtMs: number): void {
  const serverMs = Date.parse(date ?? "");
  if (Number.isNaN(serverMs)) return;
  // Date is cut to whole seconds.
  const measuredMs = serverMs + 500 - (sentAtMs + receivedAtMs) / 2;
  offsetMs = Math.abs(measuredMs) < noiseMs ? 0 : measuredMs;
}

/** Returns the server's wall time, ms. */
export const serverNowMs = (): number => Date.now() + offsetMs;
