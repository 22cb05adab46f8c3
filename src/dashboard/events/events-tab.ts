import { h, html } from "htm/preact";
import { useState } from "preact/hooks";
import type { SessionRow } from "../sessions/session-row.ts";
import { eventChoices } from "./event-names.ts";
import { EventTail } from "./event-tail.ts";

/** The events of one session, as they occur. */
export const EventsTab = ({ row }: { row: SessionRow }) => {
  const [name, setName] = useState("");
  const filter = { sessions: [row.name], names: name === "" ? [] : [name] };
  return html`
    <select
      aria-label="Name of the event"
      value=${name}
      onChange=${({ currentTarget }: { currentTarget: HTMLSelectElement }) => setName(currentTarget.value)}
    >
      ${Object.entries(eventChoices).map(([value, words]) => html`<option value=${value}>${words}</option>`)}
    </select>
    ${h(EventTail, { filter, text: "", isCompact: true })}
  `;
};
