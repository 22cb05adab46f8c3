import { useComputed } from "@preact/signals";
import { h, html } from "htm/preact";
import { useEffect } from "preact/hooks";
import { currentRun } from "../bulk/bulk-actions.ts";
import { BulkDialog } from "../bulk/bulk-dialog.ts";
import type { SessionFeed } from "../live/session-feed.ts";
import { go, route, routeWith } from "../route.ts";
import { FilterBar } from "./filter-bar.ts";
import { ListToolbar } from "./list-toolbar.ts";
import { SessionDrawer } from "./session-drawer.ts";
import { readFilter } from "./session-filter.ts";
import type { SessionStore } from "./session-store.ts";
import { SessionTable } from "./session-table.ts";

interface Props {
  readonly store: SessionStore;
  readonly feed: SessionFeed;
}

/** Searches all sessions, lists them, and shows one of them in a drawer. */
export const SessionsView = ({ store, feed }: Props) => {
  const selection = useComputed(() => store.select(readFilter(route.value.params)));
  const opened = route.value.params.get("session");
  useEffect(() => {
    document.title = opened ? `${opened} · sessiond` : "Sessions · sessiond";
  }, [opened]);
  const close = () => go(routeWith(route.value, { session: "", tab: "" }));
  return html`
    <main class="sessions" data-drawer=${opened ? "open" : "closed"}>
      <h1 class="visually-hidden">Sessions</h1>
      <section class="list" aria-label="Sessions">
        ${h(FilterBar, { selection })}
        ${h(ListToolbar, { selection, feed, store })}
        ${h(SessionTable, { selection, opened, feed, store })}
      </section>
      ${currentRun.value && h(BulkDialog, { key: currentRun.value.run, ...currentRun.value })}
      ${opened && h(SessionDrawer, { key: opened, name: opened, store, onClose: close })}
    </main>
  `;
};
