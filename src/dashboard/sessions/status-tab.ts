import { h, html } from "htm/preact";
import { useState } from "preact/hooks";
import { Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import { loginOptions } from "../api/access.ts";
import { ActionButton } from "../ui/action-button.ts";
import { currentMs, formatDuration, formatTime } from "../ui/time.ts";
import { engineWords, healthWords, reasonWords, remedyWords } from "../words.ts";
import { DeleteSession } from "./delete-session.ts";
import { applyRemedy, sessionCalls } from "./session-calls.ts";
import { phoneOf, type SessionRow } from "./session-row.ts";

/** Status of a session: the reason, the remedy, and the calls that start, stop and remove it. */
export const StatusTab = ({ row }: { row: SessionRow }) => {
  const [fault, setFault] = useState("");
  const isReadonly = loginOptions.value.readonly;
  const isStopped = row.status === Status.STOPPED;
  const button = (label: string, call: keyof typeof sessionCalls, kind = "") =>
    h(ActionButton, { key: call, label, kind, action: () => sessionCalls[call](row.name), onFault: setFault });
  return html`
    ${h(Remedy, { row, isReadonly, onFault: setFault })}
    <p class="fault" role="alert">${fault}</p>
    ${
      !isReadonly &&
      html`<div class="actions">
        ${isStopped ? button("Start", "start", "primary") : button("Stop", "stop")}
        ${!isStopped && button("Restart", "restart")} ${button("Log out", "logout")}
        ${h(DeleteSession, { name: row.name })}
      </div>`
    }
    ${h(Facts, { row })}
  `;
};

/** Says why a session is as it is, and offers the one call that helps. */
const Remedy = ({
  row,
  isReadonly,
  onFault,
}: {
  row: SessionRow;
  isReadonly: boolean;
  onFault: (fault: string) => void;
}) => {
  const { advice, button } = remedyWords[row.remedy] ?? { advice: "" };
  if (row.message === "" && advice === "") return html``;
  return html`
    <div class="remedy" role="note">
      <strong>${reasonWords[row.reason]}</strong>
      ${row.message && html`<p>${row.message}</p>`} ${advice && html`<p>${advice}</p>`}
      ${
        button &&
        !isReadonly &&
        h(ActionButton, {
          label: button.label,
          kind: "primary",
          action: () => applyRemedy(button.action, row.name),
          onFault,
        })
      }
    </div>
  `;
};

const Facts = ({ row }: { row: SessionRow }) => {
  const pairs = Object.entries(row.metadata);
  const next = row.nextAttemptAtMs;
  return html`
    <dl class="facts">
      ${fact("Account", [phoneOf(row) ?? row.account?.id, row.account?.pushName].filter(Boolean).join(" · "))}
      ${fact("Engine", engineWords[row.engine])}
      ${fact("Since", row.sinceMs && `${formatTime(row.sinceMs)} (${formatDuration(currentMs.value - row.sinceMs)})`)}
      ${fact("Health", healthWords[row.health])}
      ${fact("Failed attempts", row.attempt > 0 && String(row.attempt))}
      ${fact("Next attempt", next && `${formatTime(next)} (in ${formatDuration(next - currentMs.value)})`)}
      ${fact("Failing webhooks", row.failingWebhooks && String(row.failingWebhooks))}
      ${pairs.length > 0 && html`<dt>Metadata</dt><dd>${pairs.map(([key, value]) => html`<span class="pair">${key}=${value}</span> `)}</dd>`}
    </dl>
  `;
};

const fact = (term: string, value: string | number | false | undefined) =>
  value ? html`<dt>${term}</dt><dd>${value}</dd>` : undefined;
