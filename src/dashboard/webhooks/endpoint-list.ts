import { useSignal } from "@preact/signals";
import { h, html } from "htm/preact";
import { useState } from "preact/hooks";
import type { WebhookEndpoint_State as State, WebhookEndpoint } from "../../../gen/sessiond/v1/webhook_pb.js";
import { webhookClient } from "../api/clients.ts";
import { LoadState } from "../ui/load-state.ts";
import { type Items, loadPages } from "../ui/pages.ts";
import { usePolled } from "../ui/polled.ts";
import { EndpointRecord } from "./endpoint-record.ts";

const step = 100;
const maxPageSize = 1_000;
const refreshMs = 4_000;

interface Props {
  /** Name of the session; "" for all. */
  readonly session: string;
  readonly url: string;
  readonly state: State | 0;
  /** Called after something was sent. */
  readonly onSent?: () => void;
}

/** The endpoints that pass a filter, each with the calls that mend or try it. */
export const EndpointList = ({ session, url, state, onSent }: Props) => {
  const count = useSignal(step);
  const [fault, setFault] = useState("");
  const total = useSignal(0);
  const polled = usePolled<Items<WebhookEndpoint>>(JSON.stringify([session, url, state, count.value]), {
    load: (signal) =>
      loadPages(count.peek(), maxPageSize, async (page) => {
        const found = await webhookClient.listEndpoints({ session, url, state, ...page }, { signal });
        total.value = found.totalSize;
        return { items: found.endpoints, nextPageToken: found.nextPageToken };
      }),
    everyMs: () => refreshMs,
  });
  const found = polled.value.value;
  return html`
    ${h(LoadState, { polled, label: "the endpoints" })}
    <p class="fault" role="alert">${fault}</p>
    ${
      found &&
      html`
        <p class="total" role="status">${total.value === 1 ? "1 endpoint" : `${total.value} endpoints`}</p>
        ${found.items.length === 0 && html`<p class="empty">${emptyText(url !== "" || state !== 0)}</p>`}
        <ul class="records" aria-label="Endpoints">
          ${found.items.map((endpoint) =>
            h(EndpointRecord, {
              key: `${endpoint.session} ${endpoint.id}`,
              endpoint,
              showsSession: session === "",
              onFault: setFault,
              onChange: () => {
                polled.refresh();
                onSent?.();
              },
            }),
          )}
        </ul>
        ${found.hasMore && html`<button type="button" class="more" onClick=${() => (count.value += step)}>Show more endpoints</button>`}
      `
    }
  `;
};

function emptyText(isFiltered: boolean): string {
  if (isFiltered) return "No endpoint passes the filter.";
  return "No webhooks are configured. Add one in the configuration of a session.";
}
