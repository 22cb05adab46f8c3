import { useComputed } from "@preact/signals";
import { h, html } from "htm/preact";
import { useEffect } from "preact/hooks";
import type { GetOverviewResponse as Overview } from "../../../gen/sessiond/v1/server_service_pb.js";
import { Session_Status as Status, Session_StatusReason as StatusReason } from "../../../gen/sessiond/v1/session_pb.js";
import { serverClient } from "../api/clients.ts";
import type { SessionFeed } from "../live/session-feed.ts";
import { readFilter } from "../sessions/session-filter.ts";
import type { SessionStore } from "../sessions/session-store.ts";
import { LoadState } from "../ui/load-state.ts";
import { type Polled, usePolled } from "../ui/polled.ts";
import { TimeAgo } from "../ui/time-ago.ts";
import { reasonWords, statuses, statusWords } from "../words.ts";
import { Attention } from "./attention.ts";

/** The overview is loaded this often; after a change of a session within `afterChangeMs`. */
const refreshMs = 5_000;
const afterChangeMs = 2_000;

interface Props {
  readonly store: SessionStore;
  readonly feed: SessionFeed;
}

/** The state of the whole server at a glance: what there is, what needs a person, and what is under way. */
export const OverviewView = ({ store, feed }: Props) => {
  useEffect(() => {
    document.title = "Overview · sessiond";
  }, []);
  const polled = usePolled<Overview>("", {
    load: (signal) => serverClient.getOverview({}, { signal }),
    everyMs: () => refreshMs,
  });
  useRefreshAfterChanges(store, polled);
  const overview = polled.value.value;
  return html`
    <main class="page">
      <h1>Overview</h1>
      ${h(StatusTiles, { store, feed, overview })}
      ${h(LoadState, { polled, label: "the overview" })}
      ${
        overview &&
        html`
          ${h(Attention, { overview, store })}
          <div class="panels">${h(UnderWay, { overview })} ${h(Reasons, { overview })}</div>
        `
      }
    </main>
  `;
};

/** Loads the overview soon after news of sessions, at most once in this time. */
function useRefreshAfterChanges(store: SessionStore, polled: Polled<Overview>): void {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const unsubscribe = store.version.subscribe(() => {
      timer ??= setTimeout(() => {
        timer = undefined;
        polled.refresh();
      }, afterChangeMs);
    });
    return () => {
      unsubscribe();
      clearTimeout(timer);
    };
  }, [store, polled]);
}

/** Numbers of sessions by status, each a link to them. They change with the sessions, once these are loaded. */
const StatusTiles = ({ store, feed, overview }: Props & { overview: Overview | undefined }) => {
  const counts = useComputed(() => store.select(readFilter(new URLSearchParams())).countByStatus);
  // A connection can be lost before there is a list.
  const isListed = feed.total.value !== undefined && feed.state.value !== "loading";
  const listed = overview?.sessions?.byStatus ?? [];
  const countOf = (status: Status): number | undefined => {
    if (isListed) return counts.value.get(status) ?? 0;
    return overview && (listed.find((one) => one.status === status)?.count ?? 0);
  };
  const total = isListed ? store.version.value >= 0 && store.size : overview?.sessions?.total;
  return html`
    <ul class="tiles" aria-label="Sessions by status">
      ${statuses.map((status) => h(Tile, { key: status, href: `#/sessions?status=${Status[status]}`, status, count: countOf(status) }))}
      <li><a href="#/sessions"><strong>${total ?? "–"}</strong> <span>All sessions</span></a></li>
    </ul>
  `;
};

const Tile = ({ href, status, count }: { href: string; status: Status; count: number | undefined }) => {
  const { label, shape } = statusWords[status];
  return html`
    <li>
      <a href=${href}>
        <strong>${count ?? "–"}</strong>
        <span class="status" data-status=${Status[status]}><span aria-hidden="true">${shape}</span> ${label}</span>
      </a>
    </li>
  `;
};

/** Work that the server does by itself. */
const UnderWay = ({ overview }: { overview: Overview }) => {
  const { connectQueue, webhooks, pendingUnlinks, openStreams } = overview;
  return html`
    <section class="panel" aria-labelledby="under-way-title">
      <h2 id="under-way-title">Under way</h2>
      <dl class="facts">
        <dt>Waiting to connect</dt><dd>${connectQueue}</dd>
        <dt>Webhooks to be sent</dt>
        <dd>
          <a href="#/webhooks?list=deliveries&state=PENDING">${webhooks?.pending ?? 0}</a>
          ${webhooks?.oldestPendingAt && html` · oldest ${h(TimeAgo, { time: webhooks.oldestPendingAt })}`}
        </dd>
        <dt>Webhooks to be retried</dt><dd><a href="#/webhooks?list=deliveries&state=RETRYING">${webhooks?.retrying ?? 0}</a></dd>
        <dt>Endpoints</dt><dd><a href="#/webhooks">${webhooks?.endpoints ?? 0}</a></dd>
        <dt>Devices to unlink</dt><dd>${pendingUnlinks}</dd>
        <dt>Open streams</dt><dd>${openStreams}</dd>
      </dl>
    </section>
  `;
};

/** Why sessions do not work. */
const Reasons = ({ overview }: { overview: Overview }) => {
  const reasons = overview.sessions?.byReason ?? [];
  return html`
    <section class="panel" aria-labelledby="reasons-title">
      <h2 id="reasons-title">Reasons</h2>
      ${reasons.length === 0 && html`<p class="hint">No session has failed or waits for another attempt.</p>`}
      <dl class="facts">
        ${reasons.map(
          ({ reason, count }) =>
            html`<dt>${reasonWords[reason]}</dt><dd><a href=${`#/sessions?reason=${StatusReason[reason]}`}>${count}</a></dd>`,
        )}
      </dl>
    </section>
  `;
};
