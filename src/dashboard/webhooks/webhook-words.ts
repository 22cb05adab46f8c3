import {
  WebhookDelivery_State as DeliveryState,
  WebhookEndpoint_State as EndpointState,
} from "../../../gen/sessiond/v1/webhook_pb.js";
import type { StateWords } from "../ui/state-mark.ts";

const unknown: StateWords = { label: "Unknown", shape: "·", tone: "STOPPED" };

export const deliveryWords: Readonly<Record<DeliveryState, StateWords>> = {
  [DeliveryState.STATE_UNSPECIFIED]: unknown,
  [DeliveryState.PENDING]: { label: "Pending", shape: "◌", tone: "SCAN_QR_CODE" },
  [DeliveryState.RETRYING]: { label: "Retrying", shape: "◐", tone: "STARTING" },
  [DeliveryState.DELIVERED]: { label: "Delivered", shape: "●", tone: "WORKING" },
  [DeliveryState.FAILED]: { label: "Failed", shape: "▲", tone: "FAILED" },
};

export const endpointWords: Readonly<Record<EndpointState, StateWords>> = {
  [EndpointState.STATE_UNSPECIFIED]: unknown,
  [EndpointState.HEALTHY]: { label: "Healthy", shape: "●", tone: "WORKING" },
  [EndpointState.FAILING]: { label: "Failing", shape: "▲", tone: "FAILED" },
  [EndpointState.DISABLED]: { label: "Disabled", shape: "■", tone: "STOPPED" },
};

/** Returns the choices of a filter: any state, and each one by its name. */
function choicesOf<T extends number>(
  anyLabel: string,
  names: Readonly<Record<string, T | string>>,
  words: Readonly<Record<T, StateWords>>,
): Record<string, string> {
  const values = Object.values(names).filter((value): value is T => typeof value === "number" && value !== 0);
  return Object.fromEntries([["", anyLabel], ...values.map((value) => [names[value], words[value].label])]);
}

export const deliveryChoices = choicesOf("Any state", DeliveryState, deliveryWords);
export const endpointChoices = choicesOf("Any state", EndpointState, endpointWords);

/** Returns the state of this name, or 0. */
export function stateNamed<T extends number>(names: Readonly<Record<string, T | string>>, name: string | null) {
  const value = names[name ?? ""];
  return typeof value === "number" ? value : 0;
}
