import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import type { HmacConfig, WebhookConfig } from "../../gen/sessiond/v1/session_pb.js";
import { type WebhookEnvironment, webhookBody } from "../domain/webhook-body.ts";
import type { Signer, WebhookRequest } from "../ports/webhook.ts";

/** The longest an attempt may take, from connecting to the end of the answer (wire.md, section 5). */
export const attemptTimeoutMs = 30_000;

/** What is the same for all requests. */
export interface RequestContext {
  readonly environment: WebhookEnvironment;
  readonly signer: Signer;
}

/** One attempt: which delivery (by id) of which event, to whom and when. */
export interface Attempt {
  readonly id: string;
  readonly event: Event;
  readonly config: WebhookConfig;
  readonly nowMs: number;
  /** See WebhookRequest. */
  readonly trusted: boolean;
}

/** The request for an attempt. */
export function webhookRequest(
  { id, event, config, nowMs, trusted }: Attempt,
  context: RequestContext,
): WebhookRequest {
  const { environment, signer } = context;
  const body = webhookBody(event, environment);
  const own = {
    "Content-Type": "application/json",
    "User-Agent": `sessiond/${environment.version}`,
    "X-Webhook-Request-Id": id,
    "X-Webhook-Timestamp": String(nowMs),
    ...(config.hmac?.key && signatures(config.hmac, id, nowMs, body, signer)),
  };
  return { url: config.url, headers: withCustom(own, config), body, timeoutMs: attemptTimeoutMs, trusted };
}

/** WAHA's signature, and those of Standard Webhooks (standardwebhooks.com) beside it: with each key that receivers may know by now. */
function signatures(
  { key, previousKey }: HmacConfig,
  id: string,
  nowMs: number,
  body: Uint8Array,
  signer: Signer,
): Record<string, string> {
  const seconds = String(Math.floor(nowMs / 1000));
  const signed = [`${id}.${seconds}.`, body];
  const keys = previousKey ? [key, previousKey] : [key];
  return {
    "X-Webhook-Hmac": signer.hmac("sha512", key, [body], "hex"),
    "X-Webhook-Hmac-Algorithm": "sha512",
    "webhook-id": id,
    "webhook-timestamp": seconds,
    "webhook-signature": keys.map((one) => `v1,${signer.hmac("sha256", standardKey(one), signed, "base64")}`).join(" "),
  };
}

const standardPrefix = "whsec_";

/** The specification writes keys as "whsec_" and base64; any other key is its own UTF-8 bytes. */
function standardKey(key: string): string | Uint8Array {
  if (!key.startsWith(standardPrefix)) return key;
  try {
    return Uint8Array.from(atob(key.slice(standardPrefix.length)), (character) => character.charCodeAt(0));
  } catch {
    return key;
  }
}

/** The configured headers and ours; ours win, in whatever case the others are written. One named twice is sent as a list. */
function withCustom(own: Record<string, string>, config: WebhookConfig): Record<string, string> {
  if (config.customHeaders.length === 0) return own;
  const headers = new Map<string, { name: string; value: string }>();
  for (const { name, value } of config.customHeaders) {
    const before = headers.get(name.toLowerCase());
    headers.set(name.toLowerCase(), before ? { ...before, value: `${before.value}, ${value}` } : { name, value });
  }
  for (const [name, value] of Object.entries(own)) headers.set(name.toLowerCase(), { name, value });
  return Object.fromEntries(Array.from(headers.values(), ({ name, value }) => [name, value]));
}
