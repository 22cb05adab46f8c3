import type { ReadonlySignal } from "@preact/signals";
import { h, html } from "htm/preact";
import { Session_Health as Health } from "../../../gen/sessiond/v1/session_pb.js";
import { loginOptions } from "../api/access.ts";
import { markedSessions, markSessions } from "../bulk/marked-sessions.ts";
import { route, routeWith } from "../route.ts";
import { isRestriction, RestrictionBadge } from "../ui/restriction-badge.ts";
import { StatusBadge } from "../ui/status-badge.ts";
import { currentMs, formatDuration, formatTime } from "../ui/time.ts";
import { engineWords, healthWords, reasonWords } from "../words.ts";
import { phoneOf, type SessionRow } from "./session-row.ts";

interface Props {
  readonly row: ReadonlySignal<SessionRow>;
  /** Place in the table, from 0. */
  readonly index: number;
  readonly isOpened: boolean;
}

/** One session. It is painted again only when its own signal changes. */
export const TableRow = ({ row, index, isOpened }: Props) => {
  const session = row.value;
  const { name, status, account, metadata, engine, failingWebhooks = 0 } = session;
  return html`
    <tr aria-rowindex=${index + 2} aria-selected=${isOpened ? "true" : undefined} data-session=${name}>
      <td class="name">
        ${h(Mark, { name })}<a class="open" href=${routeWith(route.value, { session: name })} title=${name}>${name}</a>
        ${failingWebhooks > 0 && html`<span class="dot" role="img" aria-label="Failing webhooks" title=${`${failingWebhooks} failing webhooks`}></span>`}
      </td>
      <td class="state">${h(StatusBadge, { status })} ${h(RestrictionBadge, { row: session })} <span class="detail">${h(RowDetail, { session })}</span></td>
      <td class="account">
        <span class="phone">${phoneOf(session) ?? account?.id ?? ""}</span> <span class="push-name">${account?.pushName ?? ""}</span>
      </td>
      <td class="metadata">${Object.entries(metadata).map(([key, value]) => html`<span class="pair" title=${`${key}=${value}`}>${key}=${value}</span>`)}</td>
      <td class="engine">${engineWords[engine]}</td>
      <td class="since">${h(Since, { sinceMs: session.sinceMs })}</td>
    </tr>
  `;
};

const Mark = ({ name }: { name: string }) =>
  loginOptions.value.readonly
    ? html``
    : html`<input
        type="checkbox"
        aria-label=${`Select ${name}`}
        checked=${markedSessions.value.has(name)}
        onChange=${({ currentTarget }: { currentTarget: HTMLInputElement }) => markSessions([name], currentTarget.checked)}
      />`;

/** Reason, next attempt or health: the most urgent of them. */
const RowDetail = ({ session }: { session: SessionRow }) => {
  const { reason, attempt, nextAttemptAtMs, health } = session;
  if (health === Health.SUSPECT) return html`${healthWords[health]}`;
  const words = isRestriction(session) ? "" : reasonWords[reason];
  if (nextAttemptAtMs === undefined || attempt === 0) return html`${words}`;
  const waitMs = nextAttemptAtMs - currentMs.value;
  const next = waitMs > 0 ? `attempt ${attempt + 1} in ${formatDuration(waitMs)}` : `attempt ${attempt + 1}`;
  return html`${words ? `${words}, ${next}` : next}`;
};

const Since = ({ sinceMs }: { sinceMs: number | undefined }) =>
  sinceMs === undefined
    ? html``
    : html`<time datetime=${new Date(sinceMs).toISOString()} title=${formatTime(sinceMs)}>${formatDuration(currentMs.value - sinceMs)}</time>`;
