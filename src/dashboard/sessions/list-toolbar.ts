import type { ReadonlySignal } from "@preact/signals";
import { h, html } from "htm/preact";
import { loginOptions } from "../api/access.ts";
import { type BulkAction, bulkWords, countSessions, proposeRun } from "../bulk/bulk-actions.ts";
import { clearMarks, markedSessions } from "../bulk/marked-sessions.ts";
import { CreateSession } from "../config/create-session.ts";
import type { SessionFeed } from "../live/session-feed.ts";
import { downloadText } from "../ui/download.ts";
import { type ExportFormat, exportRows } from "./export-rows.ts";
import type { SessionRow } from "./session-row.ts";
import type { Selection, SessionStore } from "./session-store.ts";

interface Props {
  readonly selection: ReadonlySignal<Selection>;
  readonly feed: SessionFeed;
  readonly store: SessionStore;
}

const actions = ["start", "stop", "restart", "logout", "delete"] as const satisfies readonly BulkAction[];

/** Number of sessions, and the actions on those that are selected; without a selection, on the list. */
export const ListToolbar = ({ selection, feed, store }: Props) => {
  const { rows } = selection.value;
  const marks = markedSessions.value;
  const marked = marks.size === 0 ? [] : rows.filter((row) => marks.has(row.peek().name));
  const isReadonly = loginOptions.value.readonly;
  return html`
    <div class="toolbar">
      <p class="total" role="status">${marked.length > 0 ? `${marked.length} selected` : totalText(rows.length, store, feed)}</p>
      ${marked.length > 0 && h(BulkButtons, { marked })}
      ${marked.length === 0 && !isReadonly && h(CreateSession, {})}
      ${rows.length > 0 && h(ExportButtons, { rows: marked.length > 0 ? marked : rows })}
    </div>
  `;
};

function totalText(shown: number, store: SessionStore, feed: SessionFeed): string {
  const total = feed.total.value;
  if (feed.state.value === "loading" && total !== undefined && store.size < total)
    return `Loading ${store.size} of ${total} …`;
  return shown === store.size ? countSessions(store.size) : `${shown} of ${countSessions(store.size)}`;
}

type Rows = readonly ReadonlySignal<SessionRow>[];

const BulkButtons = ({ marked }: { marked: Rows }) => html`
  <div class="actions" role="group" aria-label="Actions on the selected sessions">
    ${actions.map((action) => {
      const { label } = bulkWords[action];
      const names = () => marked.map((row) => row.peek().name);
      return html`
        <button
          type="button"
          class=${action === "delete" ? "danger" : ""}
          aria-label=${`${label} ${countSessions(marked.length)}`}
          onClick=${() => proposeRun(action, names())}
        >
          ${label}
        </button>
      `;
    })}
    <button type="button" class="link" onClick=${clearMarks}>Clear selection</button>
  </div>
`;

const ExportButtons = ({ rows }: { rows: Rows }) => html`
  <div class="actions exports" role="group" aria-label=${`Export ${countSessions(rows.length)}`}>
    ${(["csv", "json"] as const).map(
      (
        format,
      ) => html`<button type="button" aria-label=${`Export as ${format.toUpperCase()}`} onClick=${() => download(rows, format)}>
          ${format.toUpperCase()}
        </button>`,
    )}
  </div>
`;

function download(rows: Rows, format: ExportFormat): void {
  const { type, text } = exportRows(
    rows.map((row) => row.peek()),
    format,
  );
  downloadText(`sessions.${format}`, type, text);
}
