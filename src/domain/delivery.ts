import { create } from "@bufbuild/protobuf";
import { type Delivery, type Endpoint, EndpointSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import type { RetriesConfig, WebhookConfig } from "../../gen/sessiond/v1/session_pb.js";
import { WebhookDelivery_State as State } from "../../gen/sessiond/v1/webhook_pb.js";
import { deletedEventName } from "./event.ts";
import { fnv1a } from "./hash.ts";

/** What a receiver made of an attempt. */
export type AttemptOutcome =
  | { type: "answered"; status: number; retryAfterMs?: number; note?: string }
  | { type: "failed"; error: string };

/** What becomes of a delivery after an attempt. */
export type Verdict =
  | { type: "done" }
  | { type: "retry"; delayMs: number; reason: string }
  | { type: "give_up"; reason: string };

/** The id of the endpoint that the server's owner has set up, for all sessions. */
export const globalEndpointId = "global";

/** How waits between retries can grow. */
export const retryPolicies = ["constant", "linear", "exponential"] as const;
type RetryGrowth = (typeof retryPolicies)[number];

/** WAHA's defaults (wire.md, section 5). */
export const defaultRetries = { delaySeconds: 2, attempts: 15, policy: "constant" } as const;

/** Longer waits than a day tell a receiver nothing. */
const maxDelayMs = 86_400_000;
const exponentialSpread = 0.2;

const growth = {
  constant: (delayMs) => delayMs,
  linear: (delayMs, retry) => delayMs * retry,
  exponential: (delayMs, retry, jitter) => delayMs * 2 ** (retry - 1) * (1 + exponentialSpread * (2 * jitter - 1)),
} as const satisfies Record<RetryGrowth, (delayMs: number, retry: number, jitter: number) => number>;

/** What names a delivery within its session. */
export interface DeliveryName {
  readonly seq: bigint;
  readonly endpointId: string;
}

const deliveryIdForm = /^dlv_[^_]+_([0-9]{1,20})_(.+)$/;

/** The id of an event's delivery to an endpoint: nobody else's anywhere, and it tells its own place. */
export const deliveryId = (eventId: string, { seq, endpointId }: DeliveryName): string =>
  `${eventId.replace("evt_", "dlv_")}_${seq}_${endpointId}`;

/** What an id names; undefined for what is no id of a delivery. */
export function deliveryNameOf(id: string): DeliveryName | undefined {
  const [, seq, endpointId] = deliveryIdForm.exec(id) ?? [];
  return seq === undefined || endpointId === undefined ? undefined : { seq: BigInt(seq), endpointId };
}

/** How far a delivery has come. */
export function stateOf({ settledAt, reason, dueAt }: Delivery): State {
  if (settledAt) return reason === "" ? State.DELIVERED : State.FAILED;
  return dueAt ? State.RETRYING : State.PENDING;
}

/** The id of the endpoint at a URL: the n-th of a session's endpoints with that URL, from 0. */
function endpointId(url: string, n: number): string {
  return `ep_${fnv1a(`${n} ${url}`).toString(16).padStart(16, "0")}`;
}

/**
 * The endpoints of a session: its own in their order, then the global one, if there is one. Webhooks that would post the same
 * request to the same URL are one endpoint, with the events of all: the global one where that is among them, else the first.
 */
export function endpointsOf(webhooks: readonly WebhookConfig[], global: WebhookConfig | undefined): Endpoint[] {
  const seen = new Map<string, number>();
  const own = webhooks.map((config) => {
    const n = seen.get(config.url) ?? 0;
    seen.set(config.url, n + 1);
    return create(EndpointSchema, { id: endpointId(config.url, n), config });
  });
  const all = global ? [...own, create(EndpointSchema, { id: globalEndpointId, config: global })] : own;
  return Array.from(Map.groupBy(all, sameRequests).values(), joined);
}

/** Takes the retries of the session's own webhook before those of the global one. */
function joined(endpoints: readonly Endpoint[]): Endpoint {
  const [first, ...others] = endpoints;
  const last = others.at(-1);
  const chosen = last?.id === globalEndpointId ? last : first;
  if (!chosen?.config || endpoints.length === 1) return chosen ?? create(EndpointSchema);
  const events = new Set(endpoints.flatMap(({ config }) => config?.events ?? []));
  const retries = endpoints.find(({ config }) => config?.retries)?.config?.retries;
  return { ...chosen, config: { ...chosen.config, events: [...events], ...(retries && { retries }) } };
}

/** Equal for webhooks whose requests differ in nothing but the event: of one URL, secret and set of headers. */
function sameRequests({ config }: Endpoint): string {
  const { url = "", hmac, customHeaders = [] } = config ?? {};
  const headers = customHeaders
    .map(({ name, value }) => [name.toLowerCase(), value])
    .toSorted(([a = ""], [b = ""]) => (a < b ? -1 : a > b ? 1 : 0));
  return JSON.stringify([requestedUrl(url), hmac?.key ? [hmac.key, hmac.previousKey ?? ""] : [], headers]);
}

/** A URL as it is requested: its host in lower case, without a default port or a fragment. */
function requestedUrl(text: string): string {
  const url = URL.parse(text);
  if (!url) return text;
  url.hash = "";
  return url.href;
}

/** Ids of the endpoints that want an event. The note of a removal is no webhook's, "*" or not. */
export function endpointIdsFor(eventName: string, endpoints: readonly Pick<Endpoint, "id" | "config">[]): string[] {
  if (eventName === deletedEventName) return [];
  return endpoints.filter((e) => e.config?.events.some((name) => name === eventName || name === "*")).map((e) => e.id);
}

/** What follows from the attempt with number `attempt` (from 1); `jitter` in [0, 1). */
export function verdictOn(
  outcome: AttemptOutcome,
  attempt: number,
  retries: RetriesConfig | undefined,
  jitter: number,
): Verdict {
  if (isSuccess(outcome)) return { type: "done" };
  const reason = reasonOf(outcome);
  // 410 Gone: the receiver asks to be left alone.
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

/** What follows from an attempt to find out whether an endpoint that is switched off takes deliveries again. */
export function verdictOnProbe(outcome: AttemptOutcome, disabledReason: string): Verdict {
  if (isSuccess(outcome)) return { type: "done" };
  return { type: "give_up", reason: `the endpoint is disabled: ${disabledReason}; tried again: ${reasonOf(outcome)}` };
}

/** Whether the receiver took it. */
export const isSuccess = (outcome: AttemptOutcome): boolean =>
  outcome.type === "answered" && outcome.status >= 200 && outcome.status < 300;

/** Why an attempt failed. */
export function reasonOf(outcome: AttemptOutcome): string {
  if (outcome.type === "failed") return outcome.error;
  return `answered ${outcome.status}${outcome.note === undefined ? "" : `: ${outcome.note}`}`;
}

const growthOf = (retries: RetriesConfig | undefined): RetryGrowth =>
  retryPolicies.find((policy) => policy === retries?.policy) ?? defaultRetries.policy;
