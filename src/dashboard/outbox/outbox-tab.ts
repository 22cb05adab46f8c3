import { useSignal } from "@preact/signals";
import { h, html } from "htm/preact";
import { useState } from "preact/hooks";
import { type Outgoing, Outgoing_State as State } from "../../../gen/sessiond/v1/outgoing_pb.js";
import { messageClient } from "../api/clients.ts";
import type { SessionRow } from "../sessions/session-row.ts";
import { LoadState } from "../ui/load-state.ts";
import { type Items, loadPages } from "../ui/pages.ts";
import { usePolled } from "../ui/polled.ts";
import { stateNamed } from "../ui/state-choices.ts";
import { OutboxRecord } from "./outbox-record.ts";
import { isUnderWay, outgoingChoices } from "./outbox-words.ts";

const step = 50;
const maxPageSize = 500;
/** Time until the list is loaded again; sooner while a message is under way. */
const refreshMs = 4_000;
const refreshWhileSendingMs = 1_000;

/** The messages that one session has sent or is to send, the one accepted last first. */
export const OutboxTab = ({ row }: { row: SessionRow }) => {
  const [state, setState] = useState("");
  const count = useSignal(step);
  const session = row.name;
  const states = state === "" ? [] : [stateNamed(State, state) as State];
  const polled = usePolled<Items<Outgoing>>(JSON.stringify([state, count.value]), {
    load: (signal) =>
      loadPages(count.peek(), maxPageSize, async (page) => {
        const { messages, nextPageToken } = await messageClient.listOutbox({ session, states, ...page }, { signal });
        return { items: messages, nextPageToken };
      }),
    everyMs: (found) => (found?.items.some(({ state: one }) => isUnderWay(one)) ? refreshWhileSendingMs : refreshMs),
  });
  const [fault, setFault] = useState("");
  const found = polled.value.value;
  return html`
    <select
      aria-label="State of messages"
      value=${state}
      onChange=${({ currentTarget }: { currentTarget: HTMLSelectElement }) => setState(currentTarget.value)}
    >
      ${Object.entries(outgoingChoices).map(([value, words]) => html`<option value=${value}>${words}</option>`)}
    </select>
    ${h(LoadState, { polled, label: "the outbox" })}
    <p class="fault" role="alert">${fault}</p>
    ${found?.items.length === 0 && html`<p class="empty">${state === "" ? "Nothing was sent through this server yet." : "No message is in this state."}</p>`}
    <ul class="records" aria-label="Messages">
      ${found?.items.map((outgoing) =>
        h(OutboxRecord, { key: outgoing.id, session: row, outgoing, onFault: setFault, onChange: polled.refresh }),
      )}
    </ul>
    ${found?.hasMore && html`<button type="button" class="more" onClick=${() => (count.value += step)}>Show more messages</button>`}
  `;
};
