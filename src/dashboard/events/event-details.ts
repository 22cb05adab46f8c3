import { h, html } from "htm/preact";
import { useMemo, useState } from "preact/hooks";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import { formatRoute } from "../route.ts";
import { ActionButton } from "../ui/action-button.ts";
import { copyText } from "../ui/clipboard.ts";
import { formatEvent } from "./event-row.ts";

interface Props {
  readonly event: Event;
  readonly onClose: () => void;
}

/** The whole content of an event. */
export const EventDetails = ({ event, onClose }: Props) => {
  const [fault, setFault] = useState("");
  const json = useMemo(() => formatEvent(event), [event]);
  const { session, name } = event;
  const onKey = (pressed: KeyboardEvent) => {
    if (pressed.key !== "Escape") return;
    // The drawer around it stays open.
    pressed.stopPropagation();
    onClose();
  };
  return html`
    <section class="event-details" aria-label=${`Content of ${name}`} onKeyDown=${onKey}>
      <div class="actions">
        ${h(ActionButton, { label: "Copy", action: () => copyText(json), onFault: setFault })}
        <a class="button" href=${formatRoute("sessions", new URLSearchParams({ session }))}>Open ${session}</a>
        <button type="button" onClick=${onClose}>Close</button>
      </div>
      <p class="fault" role="alert">${fault}</p>
      <pre tabindex="0" aria-label="JSON">${json}</pre>
    </section>
  `;
};
