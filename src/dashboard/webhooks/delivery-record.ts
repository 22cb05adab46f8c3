import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { h, html } from "htm/preact";
import { WebhookDelivery_State as State, type WebhookDelivery } from "../../../gen/sessiond/v1/webhook_pb.js";
import { loginOptions } from "../api/access.ts";
import { webhookClient } from "../api/clients.ts";
import { formatRoute } from "../route.ts";
import { ActionButton } from "../ui/action-button.ts";
import { StateMark } from "../ui/state-mark.ts";
import { formatTime } from "../ui/time.ts";
import { TimeAgo } from "../ui/time-ago.ts";
import { answerText, attemptText } from "./delivery-outcome.ts";
import { deliveryWords } from "./webhook-words.ts";

interface Props {
  readonly delivery: WebhookDelivery;
  readonly showsSession: boolean;
  readonly onFault: (sentence: string) => void;
  readonly onChange: () => void;
}

/** One delivery. Its attempts are shown when it is opened. */
export const DeliveryRecord = ({ delivery, showsSession, onFault, onChange }: Props) => {
  const { id, session, state, eventName, url, nextAttemptAt } = delivery;
  const isSettled = state === State.DELIVERED || state === State.FAILED;
  async function resend(): Promise<void> {
    await webhookClient.resendDelivery({ session, delivery: id });
    onChange();
  }
  return html`
    <li class="record" data-delivery=${id}>
      <details class="record-main">
        <summary>
          <span class="record-title">${h(StateMark, { words: deliveryWords[state] })} <b>${eventName}</b></span>
          <span class="record-facts">
            ${showsSession && html`<span>${session}</span>`}
            <span>${h(TimeAgo, { time: delivery.eventTime })}</span>
            <span>${attemptText(delivery)}</span>
            ${state === State.RETRYING && nextAttemptAt && html`<span>next attempt ${h(TimeAgo, { time: nextAttemptAt })}</span>`}
          </span>
          <span class="record-facts url">${url || "The endpoint no longer exists"}</span>
        </summary>
        ${h(DeliveryDetails, { delivery })}
      </details>
      ${
        isSettled &&
        !loginOptions.value.readonly &&
        html`<div class="actions">${h(ActionButton, { label: "Resend", action: resend, onFault })}</div>`
      }
    </li>
  `;
};

const DeliveryDetails = ({ delivery }: { delivery: WebhookDelivery }) => {
  const { id, session, attempts, attemptCount, eventId, eventSeq, reason } = delivery;
  return html`
    <dl class="facts">
      <dt>Session</dt><dd><a href=${formatRoute("sessions", new URLSearchParams({ session, tab: "webhooks" }))}>${session}</a></dd>
      <dt>Delivery</dt><dd>${id}</dd>
      <dt>Event</dt><dd>${eventId} (${String(eventSeq)})</dd>
      ${reason && html`<dt>Given up</dt><dd>${reason}</dd>`}
    </dl>
    ${
      attempts.length > 0 &&
      html`<table class="plain">
        <caption>Attempts${attemptCount > attempts.length && ` (the last ${attempts.length} of ${attemptCount})`}</caption>
        <thead><tr><th scope="col">Time</th><th scope="col">Outcome</th><th scope="col">Next attempt</th></tr></thead>
        <tbody>
          ${attempts.map((attempt) => html`<tr><td>${timeText(attempt.time)}</td><td>${answerText(attempt)}</td><td>${timeText(attempt.nextAttemptAt) || "–"}</td></tr>`)}
        </tbody>
      </table>`
    }
  `;
};

const timeText = (time: Timestamp | undefined): string => (time ? formatTime(timestampMs(time)) : "");
