import { timestampMs } from "@bufbuild/protobuf/wkt";
import { useSignal } from "@preact/signals";
import { h, html } from "htm/preact";
import { useState } from "preact/hooks";
import { WebhookDelivery_State as State, type WebhookDelivery } from "../../../gen/sessiond/v1/webhook_pb.js";
import { webhookClient } from "../api/clients.ts";
import { serverNowMs } from "../api/server-clock.ts";
import { LoadState } from "../ui/load-state.ts";
import { type Items, loadPages } from "../ui/pages.ts";
import { type Polled, usePolled } from "../ui/polled.ts";
import { DeliveryRecord } from "./delivery-record.ts";

const step = 50;
const maxPageSize = 500;
/** How often the list is loaded; sooner while one of the deliveries is due. */
const refreshMs = 4_000;
const refreshWhileDueMs = 1_000;

/** Which deliveries are shown. Empty fields accept everything. */
export interface DeliveryFilter {
  readonly session: string;
  readonly endpoint: string;
  readonly url: string;
  readonly state: State | 0;
}

/** Deliveries that pass a filter, as many as the person wants to see. */
export interface Deliveries {
  readonly polled: Polled<Items<WebhookDelivery>>;
  readonly showMore: () => void;
}

/** Loads the deliveries that pass a filter again and again. */
export function useDeliveries(filter: DeliveryFilter): Deliveries {
  const count = useSignal(step);
  const polled = usePolled<Items<WebhookDelivery>>(JSON.stringify([filter, count.value]), {
    load: (signal) =>
      loadPages(count.peek(), maxPageSize, async (page) => {
        const { deliveries, nextPageToken } = await webhookClient.listDeliveries({ ...filter, ...page }, { signal });
        return { items: deliveries, nextPageToken };
      }),
    everyMs: (found) => (found?.items.some(isDue) ? refreshWhileDueMs : refreshMs),
  });
  const showMore = () => {
    count.value += step;
  };
  return { polled, showMore };
}

function isDue({ state, nextAttemptAt }: WebhookDelivery): boolean {
  if (state !== State.RETRYING) return state === State.PENDING;
  return nextAttemptAt !== undefined && timestampMs(nextAttemptAt) < serverNowMs() + refreshWhileDueMs;
}

interface Props {
  readonly deliveries: Deliveries;
  readonly filter: DeliveryFilter;
}

/** Deliveries, newest event first, each with its attempts. */
export const DeliveryList = ({ deliveries: { polled, showMore }, filter }: Props) => {
  const [fault, setFault] = useState("");
  const found = polled.value.value;
  const isFiltered = filter.endpoint !== "" || filter.url !== "" || filter.state !== 0;
  return html`
    ${h(LoadState, { polled, label: "the deliveries" })}
    <p class="fault" role="alert">${fault}</p>
    ${found?.items.length === 0 && html`<p class="empty">${isFiltered ? "No delivery passes the filter." : "Nothing was delivered yet."}</p>`}
    <ul class="records" aria-label="Deliveries">
      ${found?.items.map((delivery) =>
        h(DeliveryRecord, {
          key: delivery.id,
          delivery,
          showsSession: filter.session === "",
          onFault: setFault,
          onChange: polled.refresh,
        }),
      )}
    </ul>
    ${found?.hasMore && html`<button type="button" class="more" onClick=${showMore}>Show more deliveries</button>`}
  `;
};
