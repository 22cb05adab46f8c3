import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import type { HmacConfig, WebhookConfig } from "../../gen/sessiond/v1/session_pb.js";
import { type WebhookEnvironment, webhookBody } from "../domain/webhook-body.ts";
import type { Signer, WebhookRequest } from "../ports/webhook.ts";

/** Timeout of an attempt, from connecting to the end of the response (wire.md, section 5). */
export const attemptTimeoutMs = 30_000;

/** Parts that are equal for all requests. */
export interface RequestContext {
  readonly environment: WebhookEnvironment;
  readonly signer: Signer;
}

/** One attempt: the delivery's id, the event, the endpoint's configuration and the time. */
export interface Attempt {
  readonly id: string;
  readonly event: Event;
  readonly config: WebhookConfig;
  readonly nowMs: number;
  /** See WebhookRequest. */
  readonly trusted: boolean;
}

/** Builds the HTTP request for an attempt. */
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

/**
 * Returns WAHA's signature and those of Standard Webhooks (standardwebhooks.com): one for each key that a receiver may
 * use.
 */
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

/** Decodes a Standard Webhooks key ("whsec_" and base64). Any other key stands for its UTF-8 bytes. */
function standardKey(key: string): string | Uint8Array {
  if (!key.startsWith(standardPrefix)) return key;
  try {
    return Uint8Array.from(atob(key.slice(standardPrefix.length)), (character) => character.charCodeAt(0));
  } catch {
    return key;
  }
}

/**
 * Adds the configured headers, joining repeated names into a list. sessiond's own headers win, whatever the case of the
 * names.
 */
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
