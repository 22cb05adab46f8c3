import { timestampMs } from "@bufbuild/protobuf/wkt";
import { h, html } from "htm/preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { WebhookEndpoint_State as State, type WebhookEndpoint } from "../../../gen/sessiond/v1/webhook_pb.js";
import { loginOptions } from "../api/access.ts";
import { webhookClient } from "../api/clients.ts";
import { formatRoute } from "../route.ts";
import { ActionButton } from "../ui/action-button.ts";
import { announce } from "../ui/announcer.ts";
import { StateMark } from "../ui/state-mark.ts";
import { currentMs } from "../ui/time.ts";
import { TimeAgo } from "../ui/time-ago.ts";
import { attemptText, followDelivery } from "./delivery-outcome.ts";
import { endpointWords } from "./webhook-words.ts";

interface Props {
  readonly endpoint: WebhookEndpoint;
  readonly showsSession: boolean;
  readonly onFault: (sentence: string) => void;
  /** Called after a call that changes the endpoint or its deliveries. */
  readonly onChange: () => void;
}

/** One endpoint: its state, and the calls that mend or try it. */
export const EndpointRecord = ({ endpoint, showsSession, onFault, onChange }: Props) => {
  const { session, id, url, state, events, removed } = endpoint;
  const [outcome, setOutcome] = useState("");
  const shown = useMemo(() => new AbortController(), []);
  useEffect(() => () => shown.abort(), [shown]);
  const isPaused = endpoint.sparedUntil !== undefined && timestampMs(endpoint.sparedUntil) > currentMs.value;

  async function enable(): Promise<void> {
    await webhookClient.enableEndpoint({ session, endpoint: id });
    onChange();
  }

  async function sendTest(): Promise<void> {
    setOutcome("");
    const { deliveries } = await webhookClient.sendTestEvent({ session, endpoint: id });
    onChange();
    const [sent] = deliveries;
    if (sent === undefined) return;
    const text = `Test event: ${attemptText(await followDelivery(sent, shown.signal))}`;
    setOutcome(text);
    announce(text);
    onChange();
  }

  const canEnable = state === State.DISABLED || isPaused;
  return html`
    <li class="record">
      <div class="record-main">
        <p class="record-title">${h(StateMark, { words: endpointWords[state] })} <span class="url">${url}</span></p>
        <p class="record-facts">
          ${showsSession && html`<a href=${formatRoute("sessions", new URLSearchParams({ session, tab: "webhooks" }))}>${session}</a>`}
          <span>${events.join(", ")}</span>
          ${removed && html`<span>Removed from the configuration</span>`}
        </p>
        ${h(Trouble, { endpoint, isPaused })}
        ${outcome && html`<p class="outcome">${outcome}</p>`}
      </div>
      <div class="actions">
        ${
          !loginOptions.value.readonly &&
          !removed &&
          html`
            ${canEnable && h(ActionButton, { label: state === State.DISABLED ? "Enable" : "End pause", kind: "primary", action: enable, onFault })}
            ${state !== State.DISABLED && h(ActionButton, { label: "Send test event", action: sendTest, onFault })}
          `
        }
        <a class="button" href=${formatRoute("webhooks", new URLSearchParams({ list: "deliveries", session, endpoint: id }))}>Deliveries</a>
      </div>
    </li>
  `;
};

/** Since when an endpoint fails, or why it is disabled, and what the server does about it. */
const Trouble = ({ endpoint, isPaused }: { endpoint: WebhookEndpoint; isPaused: boolean }) => {
  const { state, consecutiveFailures, failingSince, disabledAt, disabledReason, sparedUntil, nextProbeAt } = endpoint;
  if (state === State.DISABLED) {
    return html`<p class="record-facts">
      <span>Disabled ${h(TimeAgo, { time: disabledAt })}: ${disabledReason}</span>
      ${nextProbeAt && html`<span>Next probe ${h(TimeAgo, { time: nextProbeAt })}</span>`}
    </p>`;
  }
  if (state !== State.FAILING && !isPaused) return html``;
  return html`<p class="record-facts">
    ${failingSince && html`<span>Failing since ${h(TimeAgo, { time: failingSince })}</span>`}
    ${consecutiveFailures > 0 && html`<span>${consecutiveFailures} failed attempts in a row</span>`}
    ${isPaused && html`<span>Paused; goes on ${h(TimeAgo, { time: sparedUntil })}</span>`}
  </p>`;
};
