import { h, html } from "htm/preact";
import { useEffect } from "preact/hooks";
import {
  WebhookDelivery_State as DeliveryState,
  WebhookEndpoint_State as EndpointState,
} from "../../../gen/sessiond/v1/webhook_pb.js";
import { loginOptions } from "../api/access.ts";
import { route, routeWith } from "../route.ts";
import { stateNamed } from "../ui/state-choices.ts";
import { ChoiceFilter, TextFilter } from "../ui/text-filter.ts";
import { type DeliveryFilter, DeliveryList, useDeliveries } from "./delivery-list.ts";
import { EndpointList } from "./endpoint-list.ts";
import { ResendFailed } from "./resend-failed.ts";
import { deliveryChoices, endpointChoices } from "./webhook-words.ts";

/** The webhooks of all sessions: their endpoints, or their deliveries. */
export const WebhooksView = () => {
  useEffect(() => {
    document.title = "Webhooks · sessiond";
  }, []);
  const showsDeliveries = route.value.params.get("list") === "deliveries";
  const link = (list: string, label: string, isCurrent: boolean) =>
    html`<a href=${routeWith(route.value, { list, state: "", endpoint: "" })} aria-current=${isCurrent ? "page" : undefined}>${label}</a>`;
  return html`
    <main class="page">
      <h1>Webhooks</h1>
      <nav class="tabs" aria-label="Lists of webhooks">
        ${link("", "Endpoints", !showsDeliveries)} ${link("deliveries", "Deliveries", showsDeliveries)}
      </nav>
      ${showsDeliveries ? h(AllDeliveries, {}) : h(AllEndpoints, {})}
    </main>
  `;
};

const param = (name: string): string => (route.value.params.get(name) ?? "").trim();

const AllEndpoints = () => html`
  <form class="filters" role="search" onSubmit=${(event: Event) => event.preventDefault()}>
    ${h(TextFilter, { name: "url", label: "Part of the URL" })} ${h(TextFilter, { name: "session", label: "Name of the session" })}
    ${h(ChoiceFilter, { name: "state", label: "State", choices: endpointChoices })}
  </form>
  ${h(EndpointList, { session: param("session"), url: param("url"), state: stateNamed(EndpointState, param("state")) })}
`;

const AllDeliveries = () => {
  const filter: DeliveryFilter = {
    session: param("session"),
    endpoint: param("endpoint"),
    url: param("url"),
    state: stateNamed(DeliveryState, param("state")),
  };
  const deliveries = useDeliveries(filter);
  return html`
    <form class="filters" role="search" onSubmit=${(event: Event) => event.preventDefault()}>
      ${h(TextFilter, { name: "url", label: "Part of the URL" })} ${h(TextFilter, { name: "session", label: "Name of the session" })}
      ${h(ChoiceFilter, { name: "state", label: "State", choices: deliveryChoices })}
      ${filter.endpoint && html`<a class="button" href=${routeWith(route.value, { endpoint: "" })}>Endpoint ${filter.endpoint} ✕</a>`}
      ${!loginOptions.value.readonly && h(ResendFailed, { filter, onChange: deliveries.polled.refresh })}
    </form>
    ${h(DeliveryList, { deliveries, filter })}
  `;
};
