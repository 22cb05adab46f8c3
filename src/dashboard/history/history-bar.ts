import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import type { ListStatusHistoryResponse_Transition as Transition } from "../../../gen/sessiond/v1/session_service_pb.js";
import { currentMs, formatTime } from "../ui/time.ts";
import { statusWords } from "../words.ts";
import { msOf, shareByStatus, statusSpans } from "./status-spans.ts";

const hourMs = 3_600_000;
const ranges = [
  [0, "All that is shown below"],
  [hourMs, "Last hour"],
  [24 * hourMs, "Last day"],
  [7 * 24 * hourMs, "Last week"],
] as const;

/** Statuses over time as coloured parts of a bar, with the share of each status in words. */
export const HistoryBar = ({ transitions }: { transitions: readonly Transition[] }) => {
  const nowMs = currentMs.value;
  const [rangeMs, setRangeMs] = useState(0);
  const fromMs = rangeMs === 0 ? msOf(transitions.at(-1)?.time) : nowMs - rangeMs;
  const spans = statusSpans(transitions, fromMs, nowMs);
  const shares = shareByStatus(spans).map(([status, share]) => `${statusWords[status].label} ${percent(share)}`);
  const text = shares.length === 0 ? "Nothing is known about this time." : shares.join(", ");
  return html`
    <label class="inline bar-range">
      Time
      <select value=${String(rangeMs)} onChange=${({ currentTarget }: { currentTarget: HTMLSelectElement }) => setRangeMs(Number(currentTarget.value))}>
        ${ranges.map(([value, words]) => html`<option value=${value}>${words}</option>`)}
      </select>
    </label>
    <figure class="bar">
      <svg viewBox="0 0 1000 28" preserveAspectRatio="none" role="img" aria-label=${`Statuses over time: ${text}`}>
        ${spans.map(
          ({ status, start, length }) =>
            html`<rect data-status=${Status[status]} x=${start * 1000} width=${Math.max(1, length * 1000)} y="0" height="28"></rect>`,
        )}
      </svg>
      <figcaption>
        <span>${formatTime(fromMs)}</span> <span class="shares">${text}</span> <span>now</span>
      </figcaption>
    </figure>
  `;
};

/** Returns a part of a whole in percent. Neither is a little shown as nothing, nor less than all as all. */
function percent(share: number): string {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  if (share < 1 && share > 0.999) return "> 99.9 %";
  return `${Math.round(share * 1000) / 10} %`;
}
