import {
  WebhookDelivery_State as DeliveryState,
  WebhookEndpoint_State as EndpointState,
} from "../../../gen/sessiond/v1/webhook_pb.js";
import { choicesOf } from "../ui/state-choices.ts";
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

export const deliveryChoices = choicesOf("Any state", DeliveryState, deliveryWords);
export const endpointChoices = choicesOf("Any state", EndpointState, endpointWords);
