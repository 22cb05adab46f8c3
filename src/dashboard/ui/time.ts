import { type ReadonlySignal, signal } from "@preact/signals";
import { serverNowMs } from "../api/server-clock.ts";

const now = signal(serverNowMs());
setInterval(() => {
  if (!document.hidden) now.value = serverNowMs();
}, 1_000);

/** The server's time, renewed each second while the page is visible. */
export const currentMs: ReadonlySignal<number> = now;

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
] as const;

/** Returns a duration in its largest unit, such as "3 min". */
export function formatDuration(ms: number): string {
  const [unit, size] = units.find(([, unitMs]) => ms >= unitMs) ?? ["s", 1_000];
  return `${Math.max(0, Math.floor(ms / size))} ${unit}`;
}

const formatter = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Returns a time in the person's own form and time zone. */
export const formatTime = (ms: number): string => formatter.format(ms);
