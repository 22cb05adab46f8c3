import { h, html } from "htm/preact";
import { useState } from "preact/hooks";
import { WebhookDelivery_State as State } from "../../../gen/sessiond/v1/webhook_pb.js";
import { loginOptions } from "../api/access.ts";
import type { SessionRow } from "../sessions/session-row.ts";
import { stateNamed } from "../ui/state-choices.ts";
import { type DeliveryFilter, DeliveryList, useDeliveries } from "./delivery-list.ts";
import { EndpointList } from "./endpoint-list.ts";
import { ResendFailed } from "./resend-failed.ts";
import { deliveryChoices } from "./webhook-words.ts";

/** The endpoints and the deliveries of one session. */
export const WebhooksTab = ({ row }: { row: SessionRow }) => {
  const [state, setState] = useState("");
  const filter: DeliveryFilter = { session: row.name, endpoint: "", url: "", state: stateNamed(State, state) };
  const deliveries = useDeliveries(filter);
  return html`
    <h3>Endpoints</h3>
    ${h(EndpointList, { session: row.name, url: "", state: 0, onSent: deliveries.polled.refresh })}
    <h3>Deliveries</h3>
    <div class="actions">
      <select
        aria-label="State of deliveries"
        value=${state}
        onChange=${({ currentTarget }: { currentTarget: HTMLSelectElement }) => setState(currentTarget.value)}
      >
        ${Object.entries(deliveryChoices).map(([value, words]) => html`<option value=${value}>${words}</option>`)}
      </select>
      ${!loginOptions.value.readonly && h(ResendFailed, { filter, onChange: deliveries.polled.refresh })}
    </div>
    ${h(DeliveryList, { deliveries, filter })}
  `;
};
