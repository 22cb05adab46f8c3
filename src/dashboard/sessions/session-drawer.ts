import { h, html } from "htm/preact";
import { useEffect, useRef } from "preact/hooks";
import { ConfigTab } from "../config/config-tab.ts";
import { EventsTab } from "../events/events-tab.ts";
import { HistoryTab } from "../history/history-tab.ts";
import { OutboxTab } from "../outbox/outbox-tab.ts";
import { PairTab } from "../pairing/pair-tab.ts";
import { route, routeWith } from "../route.ts";
import { isTyping } from "../ui/keyboard.ts";
import { RestrictionBadge } from "../ui/restriction-badge.ts";
import { StatusBadge } from "../ui/status-badge.ts";
import { WebhooksTab } from "../webhooks/webhooks-tab.ts";
import type { SessionStore } from "./session-store.ts";
import { StatusTab } from "./status-tab.ts";

const tabs = {
  status: { label: "Status", view: StatusTab },
  pair: { label: "Pair", view: PairTab },
  config: { label: "Config", view: ConfigTab },
  outbox: { label: "Outbox", view: OutboxTab },
  webhooks: { label: "Webhooks", view: WebhooksTab },
  events: { label: "Events", view: EventsTab },
  history: { label: "History", view: HistoryTab },
} as const;

const isTab = (name: string | null): name is keyof typeof tabs => name !== null && Object.hasOwn(tabs, name);

interface Props {
  readonly name: string;
  readonly store: SessionStore;
  readonly onClose: () => void;
}

/** Everything about one session, beside the table; on phones in place of it. */
export const SessionDrawer = ({ name, store, onClose }: Props) => {
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    title.current?.focus();
    return () => document.querySelector<HTMLElement>(`tr[data-session="${CSS.escape(name)}"] a.open`)?.focus();
  }, [name]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const isInDrawer = event.target instanceof Element && event.target.closest(".drawer") !== null;
      if (event.key === "Escape" && (isInDrawer || !isTyping(event))) onClose();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [onClose]);
  const requested = route.value.params.get("tab");
  const tab = isTab(requested) ? requested : "status";
  const row = store.get(name);
  return html`
    <aside class="drawer" aria-labelledby="drawer-title">
      <div class="drawer-head">
        <h2 id="drawer-title" ref=${title} tabindex="-1">${name}</h2>
        ${row && h(StatusBadge, { status: row.status })} ${row && h(RestrictionBadge, { row })}
        <button type="button" class="close" aria-label="Close" onClick=${onClose}>✕</button>
      </div>
      <nav class="tabs" aria-label=${`Details of ${name}`}>
        ${Object.entries(tabs).map(
          ([key, { label }]) =>
            html`<a href=${routeWith(route.value, { tab: key })} aria-current=${key === tab ? "page" : undefined}>${label}</a>`,
        )}
      </nav>
      <div class="drawer-body">
        ${row ? h(tabs[tab].view, { row }) : html`<p class="empty">There is no session of this name.</p>`}
      </div>
    </aside>
  `;
};
