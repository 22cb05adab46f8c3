import { timestampMs } from "@bufbuild/protobuf/wkt";
import { h, html } from "htm/preact";
import type { Outgoing } from "../../../gen/sessiond/v1/outgoing_pb.js";
import { Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import { loginOptions } from "../api/access.ts";
import type { SessionRow } from "../sessions/session-row.ts";
import { StateMark } from "../ui/state-mark.ts";
import { formatTime } from "../ui/time.ts";
import { TimeAgo } from "../ui/time-ago.ts";
import { CancelMessage } from "./cancel-message.ts";
import { isCancellable, outgoingWords, reasonSentence, shortened } from "./outbox-words.ts";

interface Props {
  readonly session: SessionRow;
  readonly outgoing: Outgoing;
  readonly onFault: (sentence: string) => void;
  readonly onChange: () => void;
}

/** One message. Its whole text is shown when it is opened. */
export const OutboxRecord = ({ session, outgoing, onFault, onChange }: Props) => {
  const { id, chatId, state, acceptedAt } = outgoing;
  const canCancel = isCancellable(state);
  const waits = canCancel && session.status !== Status.WORKING ? "SESSION_NOT_WORKING" : "";
  const reason = reasonSentence(outgoing.reason || waits);
  const text = shortened(textOf(outgoing));
  return html`
    <li class="record" data-message=${id}>
      <details class="record-main">
        <summary>
          <span class="record-title">${h(StateMark, { words: outgoingWords[state] })} <b>${text}</b></span>
          <span class="record-facts"><span>to ${chatId}</span><span>${h(TimeAgo, { time: acceptedAt })}</span></span>
          ${reason && html`<span class="record-facts">${reason}</span>`}
        </summary>
        ${h(MessageDetails, { outgoing })}
      </details>
      ${
        canCancel &&
        !loginOptions.value.readonly &&
        html`<div class="actions">${h(CancelMessage, { session: session.name, id, text, chatId, onFault, onChange })}</div>`
      }
    </li>
  `;
};

const MessageDetails = ({ outgoing }: { outgoing: Outgoing }) => {
  const { id, acceptedAt, changedAt, attempts } = outgoing;
  return html`
    <dl class="facts">
      <dt>Text</dt><dd class="whole-text">${textOf(outgoing)}</dd>
      <dt>Message</dt><dd>${id}</dd>
      ${acceptedAt && html`<dt>Accepted</dt><dd>${formatTime(timestampMs(acceptedAt))}</dd>`}
      ${changedAt && html`<dt>Last change</dt><dd>${formatTime(timestampMs(changedAt))}</dd>`}
      <dt>Attempts</dt><dd>${attempts}</dd>
    </dl>
  `;
};

function textOf({ message }: Outgoing): string {
  if (message?.body) return message.body;
  return message?.hasMedia ? "A file without a text" : "No text";
}
