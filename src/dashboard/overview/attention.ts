import { useComputed } from "@preact/signals";
import { h, html } from "htm/preact";
import type { GetOverviewResponse as Overview } from "../../../gen/sessiond/v1/server_service_pb.js";
import { Session_StatusReason as StatusReason } from "../../../gen/sessiond/v1/session_pb.js";
import { formatRoute } from "../route.ts";
import { readFilter } from "../sessions/session-filter.ts";
import type { SessionRow } from "../sessions/session-row.ts";
import type { SessionStore } from "../sessions/session-store.ts";
import { currentMs, formatDuration } from "../ui/time.ts";
import { reasonWords } from "../words.ts";

/** Sessions that a panel names. */
const maxNamed = 8;

/** A session that needs attention, and the reason. */
interface Item {
  readonly session: string;
  readonly detail: string;
}

/** Everything that a person may have to mend. Says so if there is nothing. */
export const Attention = ({ overview, store }: { overview: Overview; store: SessionStore }) => {
  const restricted = useComputed(() => store.select(readFilter(restrictedParams)).rows);
  const { storms, stormCount, suspects, suspectCount, webhooks } = overview;
  const banned = restricted.value.map((row) => itemOfRestricted(row.value));
  const failing = webhooks?.failingEndpoints ?? 0;
  const disabled = webhooks?.disabledEndpoints ?? 0;
  const number = [stormCount, suspectCount, banned.length, failing, disabled].filter((count) => count > 0).length;
  return html`
    <section aria-labelledby="attention-title">
      <h2 id="attention-title">Needs attention</h2>
      <p role="status" class="hint">${number === 0 ? "Nothing: all is well." : ""}</p>
      <div class="panels">
        ${h(NamedSessions, {
          id: "storms",
          title: "Reconnect again and again",
          hint: "More than 5 times within an hour",
          count: stormCount,
          items: storms.map(({ session, reconnects }) => ({ session, detail: `${reconnects} times` })),
          tab: "history",
        })}
        ${h(NamedSessions, {
          id: "suspects",
          title: "WhatsApp does not answer",
          hint: "Connected, but silent",
          count: suspectCount,
          items: suspects.map((session) => ({ session, detail: "" })),
          tab: "status",
        })}
        ${h(NamedSessions, {
          id: "restricted",
          title: "Restricted by WhatsApp",
          hint: "Accounts that are banned",
          count: banned.length,
          items: banned,
          tab: "status",
          allHref: formatRoute("sessions", restrictedParams),
        })}
        ${(failing > 0 || disabled > 0) && h(Endpoints, { failing, disabled })}
      </div>
    </section>
  `;
};

interface NamedProps {
  readonly id: string;
  readonly title: string;
  readonly hint: string;
  readonly count: number;
  readonly items: readonly Item[];
  /** Tab of the drawer that tells more. */
  readonly tab: string;
  readonly allHref?: string;
}

/** A panel that names sessions; nothing if there are none. */
const NamedSessions = ({ id, title, hint, count, items, tab, allHref }: NamedProps) => {
  if (count === 0) return html``;
  const named = items.slice(0, maxNamed);
  const others = count - named.length;
  return html`
    <section class="panel attention" aria-labelledby=${id}>
      <h3 id=${id}>${title} <span class="count">${count}</span></h3>
      <p class="hint">${hint}</p>
      <ul>
        ${named.map(
          ({ session, detail }) =>
            html`<li><a href=${formatRoute("sessions", new URLSearchParams({ session, tab }))}>${session}</a> <span class="detail">${detail}</span></li>`,
        )}
      </ul>
      ${others > 0 && (allHref ? html`<a href=${allHref}>and ${others} more</a>` : html`<p class="hint">and ${others} more</p>`)}
    </section>
  `;
};

const Endpoints = ({ failing, disabled }: { failing: number; disabled: number }) => html`
  <section class="panel attention" aria-labelledby="endpoints">
    <h3 id="endpoints">Webhooks do not arrive <span class="count">${failing + disabled}</span></h3>
    <ul>
      ${failing > 0 && html`<li><a href="#/webhooks?state=FAILING">${endpointsText(failing)}</a> <span class="detail">failing</span></li>`}
      ${disabled > 0 && html`<li><a href="#/webhooks?state=DISABLED">${endpointsText(disabled)}</a> <span class="detail">disabled</span></li>`}
      <li><a href="#/webhooks?list=deliveries&state=FAILED">Failed deliveries</a></li>
    </ul>
  </section>
`;

const endpointsText = (count: number): string => (count === 1 ? "1 endpoint" : `${count} endpoints`);

const restrictedParams = new URLSearchParams([
  ["reason", StatusReason[StatusReason.BANNED]],
  ["reason", StatusReason[StatusReason.TEMPORARILY_BANNED]],
]);

function itemOfRestricted({ name, reason, nextAttemptAtMs }: SessionRow): Item {
  const leftMs = (nextAttemptAtMs ?? 0) - currentMs.value;
  const end = leftMs > 0 ? `, for another ${formatDuration(leftMs)}` : "";
  return { session: name, detail: `${reasonWords[reason]}${end}` };
}
