import { create } from "@bufbuild/protobuf";
import { type Delivery, type Endpoint, EndpointSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import type { RetriesConfig, WebhookConfig } from "../../gen/sessiond/v1/session_pb.js";
import { WebhookDelivery_State as State } from "../../gen/sessiond/v1/webhook_pb.js";
import { deletedEventName, updatedEventName } from "./event.ts";
import { fnv1a } from "./hash.ts";

/**
 * Result of an attempt to post an event. `error` and `note` are one sentence each and contain no details of the inner network. `note`
 * is a remedy that the status alone does not suggest.
 */
export type AttemptOutcome =
  | { type: "answered"; status: number; retryAfterMs?: number; note?: string }
  | { type: "failed"; error: string };

/** Decision about a delivery after an attempt. */
export type Verdict =
  | { type: "done" }
  | { type: "retry"; delayMs: number; reason: string }
  | { type: "give_up"; reason: string };

/** Id of the endpoint that the server's configuration sets for all sessions. */
export const globalEndpointId = "global";

/** Growth of the delays between retries. */
export const retryPolicies = ["constant", "linear", "exponential"] as const;
type RetryGrowth = (typeof retryPolicies)[number];

/** WAHA's defaults (wire.md, section 5). */
export const defaultRetries = { delaySeconds: 2, attempts: 15, policy: "constant" } as const;

/** Upper limit of a delay between retries: one day. */
const maxDelayMs = 86_400_000;
const exponentialSpread = 0.2;

const growth = {
  constant: (delayMs) => delayMs,
  linear: (delayMs, retry) => delayMs * retry,
  exponential: (delayMs, retry, jitter) => delayMs * 2 ** (retry - 1) * (1 + exponentialSpread * (2 * jitter - 1)),
} as const satisfies Record<RetryGrowth, (delayMs: number, retry: number, jitter: number) => number>;

/** Key of a delivery within its session. */
export interface DeliveryName {
  readonly seq: bigint;
  readonly endpointId: string;
}

const deliveryIdForm = /^dlv_[^_]+_([0-9]{1,20})_(.+)$/;

/** Returns the id of an event's delivery to an endpoint. It is globally unique and contains the delivery's key. */
export const deliveryId = (eventId: string, { seq, endpointId }: DeliveryName): string =>
  `${eventId.replace("evt_", "dlv_")}_${seq}_${endpointId}`;

/** Parses the id of a delivery. Returns undefined for any other text. */
export function deliveryNameOf(id: string): DeliveryName | undefined {
  const [, seq, endpointId] = deliveryIdForm.exec(id) ?? [];
  return seq === undefined || endpointId === undefined ? undefined : { seq: BigInt(seq), endpointId };
}

/** Returns the state of a delivery as the API reports it. */
export function stateOf({ settledAt, reason, dueAt }: Delivery): State {
  if (settledAt) return reason === "" ? State.DELIVERED : State.FAILED;
  return dueAt ? State.RETRYING : State.PENDING;
}

/** Returns the id of the n-th endpoint (from 0) of a session that has this URL. */
function endpointId(url: string, n: number): string {
  return `ep_${fnv1a(`${n} ${url}`).toString(16).padStart(16, "0")}`;
}

/**
 * Returns the endpoints of a session: its own in their order, then the global one. Webhooks that would post identical
 * requests are merged into one endpoint with the events of all, and with the id of the global one, else of the first.
 */
export function endpointsOf(webhooks: readonly WebhookConfig[], global: WebhookConfig | undefined): Endpoint[] {
  const seen = new Map<string, number>();
  const own = webhooks.map((config) => {
    const n = seen.get(config.url) ?? 0;
    seen.set(config.url, n + 1);
    return create(EndpointSchema, { id: endpointId(config.url, n), config });
  });
  const all = global ? [...own, create(EndpointSchema, { id: globalEndpointId, config: global })] : own;
  return Array.from(Map.groupBy(all, requestKey).values(), mergeEndpoints);
}

/** Merges endpoints with identical requests. The retries of a session's own webhook take precedence over the global ones. */
function mergeEndpoints(endpoints: readonly Endpoint[]): Endpoint {
  const [first, ...others] = endpoints;
  const last = others.at(-1);
  const chosen = last?.id === globalEndpointId ? last : first;
  if (!chosen?.config || endpoints.length === 1) return chosen ?? create(EndpointSchema);
  const events = new Set(endpoints.flatMap(({ config }) => config?.events ?? []));
  const retries = endpoints.find(({ config }) => config?.retries)?.config?.retries;
  return { ...chosen, config: { ...chosen.config, events: [...events], ...(retries && { retries }) } };
}

/** Returns a key that is equal for webhooks with the same URL, HMAC keys and headers. */
function requestKey({ config }: Endpoint): string {
  const { url = "", hmac, customHeaders = [] } = config ?? {};
  const headers = customHeaders
    .map(({ name, value }) => [name.toLowerCase(), value])
    .toSorted(([a = ""], [b = ""]) => (a < b ? -1 : a > b ? 1 : 0));
  return JSON.stringify([normalizeUrl(url), hmac?.key ? [hmac.key, hmac.previousKey ?? ""] : [], headers]);
}

/** Normalizes a URL as requests use it: host in lower case, no default port, no fragment. */
function normalizeUrl(text: string): string {
  const url = URL.parse(text);
  if (!url) return text;
  url.hash = "";
  return url.href;
}

/** Returns the ids of the endpoints that are subscribed to an event. No endpoint receives an event for streams only, not even with "*". */
export function endpointIdsFor(eventName: string, endpoints: readonly Pick<Endpoint, "id" | "config">[]): string[] {
  if (eventName === deletedEventName || eventName === updatedEventName) return [];
  return endpoints.filter((e) => e.config?.events.some((name) => name === eventName || name === "*")).map((e) => e.id);
}

/** Decides what happens to a delivery after attempt number `attempt` (from 1). `jitter` is in [0, 1). */
export function verdictOn(
  outcome: AttemptOutcome,
  attempt: number,
  retries: RetriesConfig | undefined,
  jitter: number,
): Verdict {
  if (isSuccess(outcome)) return { type: "done" };
  const reason = reasonOf(outcome);
  // 410 Gone: the receiver asks for no more requests.
  if (outcome.type === "answered" && outcome.status === 410) return { type: "give_up", reason };
  if (attempt > (retries?.attempts ?? defaultRetries.attempts)) return { type: "give_up", reason };
  const grow = growth[growthOf(retries)];
  const delayMs = grow((retries?.delaySeconds ?? defaultRetries.delaySeconds) * 1000, attempt, jitter);
  const askedMs =
    outcome.type === "answered" && (outcome.status === 429 || outcome.status === 503)
      ? outcome.retryAfterMs
      : undefined;
  return { type: "retry", delayMs: Math.round(Math.min(Math.max(delayMs, askedMs ?? 0), maxDelayMs)), reason };
}

/** Decides what happens to a delivery that was attempted to probe a disabled endpoint. */
export function verdictOnProbe(outcome: AttemptOutcome, disabledReason: string): Verdict {
  if (isSuccess(outcome)) return { type: "done" };
  return { type: "give_up", reason: `the endpoint is disabled: ${disabledReason}; tried again: ${reasonOf(outcome)}` };
}

/** Returns true if the receiver accepted the delivery. */
export const isSuccess = (outcome: AttemptOutcome): boolean =>
  outcome.type === "answered" && outcome.status >= 200 && outcome.status < 300;

/** Returns the reason for a failed attempt, in words for people. */
export function reasonOf(outcome: AttemptOutcome): string {
  if (outcome.type === "failed") return outcome.error;
  return `answered ${outcome.status}${outcome.note === undefined ? "" : `: ${outcome.note}`}`;
}

const growthOf = (retries: RetriesConfig | undefined): RetryGrowth =>
  retryPolicies.find((policy) => policy === retries?.policy) ?? defaultRetries.policy;
