import { computed, type ReadonlySignal } from "@preact/signals";
import { h, html } from "htm/preact";
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { loginOptions } from "../api/access.ts";
import { markedSessions, markSessions } from "../bulk/marked-sessions.ts";
import type { SessionFeed } from "../live/session-feed.ts";
import { go, route, routeWith } from "../route.ts";
import { isNarrow } from "../ui/media.ts";
import { useRowWindow } from "../ui/row-window.ts";
import { readFilter, type SortKey } from "./session-filter.ts";
import type { Selection, SessionStore } from "./session-store.ts";
import { TableRow } from "./table-row.ts";

/** style.css has the same heights. */
const rowHeight = computed(() => (isNarrow.value ? 72 : 44));

interface Props {
  readonly selection: ReadonlySignal<Selection>;
  /** Name of the session in the drawer. */
  readonly opened: string | null;
  readonly feed: SessionFeed;
  readonly store: SessionStore;
}

/** The sessions that pass the filter. Only the rows near the visible ones exist in the document. */
export const SessionTable = ({ selection, opened, feed, store }: Props) => {
  const scroller = useRef<HTMLDivElement>(null);
  const range = useRowWindow(scroller, rowHeight);
  const { rows } = selection.value;
  const { first, end } = range(rows.length);
  const height = rows.length * rowHeight.value;
  return html`
    <div class="scroller" ref=${scroller} tabindex="0" role="region" aria-label="Table of sessions" onKeyDown=${moveFocus}>
      <div class="runway" style=${{ minHeight: `${height}px` }}>
        <table aria-rowcount=${rows.length + 1} style=${{ marginTop: `${first * rowHeight.value}px` }}>
          <thead>
            <tr aria-rowindex="1">
              ${h(SortHeader, { sort: "name", label: "Session" }, h(MarkAll, { rows }))}
              ${h(SortHeader, { sort: "status", label: "Status" })}
              <th scope="col">Account</th>
              <th scope="col">Metadata</th>
              <th scope="col">Engine</th>
              ${h(SortHeader, { sort: "since", label: "Since" })}
            </tr>
          </thead>
          <tbody>
            ${rows.slice(first, end).map((row, offset) => {
              const { name } = row.peek();
              return h(TableRow, { key: name, row, index: first + offset, isOpened: name === opened });
            })}
          </tbody>
        </table>
      </div>
      ${rows.length === 0 && h(EmptyTable, { feed, store })}
    </div>
  `;
};

/** Says why there are no rows. */
const EmptyTable = ({ feed, store }: Pick<Props, "feed" | "store">) => {
  if (feed.state.value === "loading") return html`<p class="empty">Loading the sessions …</p>`;
  if (store.size === 0) return html`<p class="empty">There are no sessions yet.</p>`;
  const params = new URLSearchParams(route.value.params);
  const reset = Object.fromEntries([...params.keys()].map((name) => [name, ""]));
  return html`
    <p class="empty">
      No session passes the filter. <a href=${routeWith(route.value, reset)}>Show all sessions</a>
    </p>
  `;
};

const SortHeader = ({ sort, label, children }: { sort: SortKey; label: string; children?: ComponentChildren }) => {
  const filter = readFilter(route.value.params);
  const isSorted = filter.sort === sort;
  const next = isSorted && !filter.isDescending ? `-${sort}` : sort;
  return html`
    <th scope="col" aria-sort=${isSorted ? (filter.isDescending ? "descending" : "ascending") : "none"}>
      ${children}
      <button type="button" class="sort" onClick=${() => go(routeWith(route.value, { sort: next === "name" ? "" : next }), { replace: true })}>
        ${label}<span aria-hidden="true">${isSorted ? (filter.isDescending ? " ↓" : " ↑") : ""}</span>
      </button>
    </th>
  `;
};

/** Selects all sessions that pass the filter, also those that are not painted. */
const MarkAll = ({ rows }: { rows: Selection["rows"] }) => {
  if (loginOptions.value.readonly || rows.length === 0) return html``;
  const names = rows.map((row) => row.peek().name);
  const count = names.filter((name) => markedSessions.value.has(name)).length;
  const isAll = count === names.length;
  return html`
    <input
      type="checkbox"
      aria-label=${`Select all ${names.length} sessions`}
      checked=${isAll}
      indeterminate=${count > 0 && !isAll}
      onChange=${() => markSessions(names, !isAll)}
    />
  `;
};

/** Moves the focus from row to row by the arrow keys. */
function moveFocus(event: KeyboardEvent): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined || !(event.currentTarget instanceof HTMLElement)) return;
  const links = [...event.currentTarget.querySelectorAll<HTMLElement>("tbody a.open")];
  const current = links.findIndex((link) => link.matches(":focus"));
  const next = links[current === -1 ? 0 : current + step];
  if (next === undefined) return;
  event.preventDefault();
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}
