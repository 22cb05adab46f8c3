import { useSignal } from "@preact/signals";
import { h, html } from "htm/preact";
import { useEffect } from "preact/hooks";
import type { ListStatusHistoryResponse_Transition as Transition } from "../../../gen/sessiond/v1/session_service_pb.js";
import { sessionClient } from "../api/clients.ts";
import type { SessionRow } from "../sessions/session-row.ts";
import { LoadState } from "../ui/load-state.ts";
import { type Items, loadPages } from "../ui/pages.ts";
import { usePolled } from "../ui/polled.ts";
import { StatusBadge } from "../ui/status-badge.ts";
import { currentMs, formatDuration, formatTime } from "../ui/time.ts";
import { reasonWords } from "../words.ts";
import { HistoryBar } from "./history-bar.ts";
import { msOf } from "./status-spans.ts";

const step = 100;
const maxPageSize = 500;
/** A change of the session's row loads the history at once; this is for the rest. */
const refreshMs = 30_000;

interface History extends Items<Transition> {
  readonly isTrimmed: boolean;
}

/** The statuses that a session has had: as a bar over time, and as a table. */
export const HistoryTab = ({ row }: { row: SessionRow }) => {
  const count = useSignal(step);
  const session = row.name;
  const polled = usePolled<History>(String(count.value), {
    load: async (signal) => {
      let isTrimmed = false;
      const found = await loadPages(count.peek(), maxPageSize, async (page) => {
        const { transitions, nextPageToken, trimmed } = await sessionClient.listStatusHistory(
          { session, ...page },
          { signal },
        );
        isTrimmed = trimmed;
        return { items: transitions, nextPageToken };
      });
      return { ...found, isTrimmed };
    },
    everyMs: () => refreshMs,
  });
  useEffect(polled.refresh, [polled, row.status, row.sinceMs, row.attempt]);
  const found = polled.value.value;
  return html`
    ${h(LoadState, { polled, label: "the history" })}
    ${
      found &&
      html`
        ${h(HistoryBar, { transitions: found.items })}
        ${found.items.length === 0 && html`<p class="empty">No change of status is stored.</p>`}
        ${h(TransitionTable, { transitions: found.items })}
        ${found.isTrimmed && html`<p class="hint">Older changes are no longer stored.</p>`}
        ${found.hasMore && html`<button type="button" class="more" onClick=${() => (count.value += step)}>Show older changes</button>`}
      `
    }
  `;
};

const TransitionTable = ({ transitions }: { transitions: readonly Transition[] }) => html`
  <table class="plain history">
    <caption class="visually-hidden">Changes of status, newest first</caption>
    <thead><tr><th scope="col">Since</th><th scope="col">Status</th><th scope="col">For</th></tr></thead>
    <tbody>
      ${transitions.map((transition, index) => {
        const endMs = index === 0 ? currentMs.value : msOf(transitions[index - 1]?.time);
        return h(TransitionLine, { key: String(transition.seq), transition, lastedMs: endMs - msOf(transition.time) });
      })}
    </tbody>
  </table>
`;

const TransitionLine = ({ transition, lastedMs }: { transition: Transition; lastedMs: number }) => {
  const { status, reason, message, attempt, time } = transition;
  return html`
    <tr>
      <td>${formatTime(msOf(time))}</td>
      <td>
        ${h(StatusBadge, { status })}
        ${(reason > 0 || attempt > 0) && html`<div class="detail">${[reasonWords[reason], attempt > 0 && `failed attempts: ${attempt}`].filter(Boolean).join(", ")}</div>`}
        ${message && html`<div class="detail">${message}</div>`}
      </td>
      <td class="brief">${formatDuration(lastedMs)}</td>
    </tr>
  `;
};
