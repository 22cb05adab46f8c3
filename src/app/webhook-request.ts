import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import type { WebhookConfig } from "../../gen/sessiond/v1/session_pb.js";
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
}

/** The request for an attempt. */
export function webhookRequest({ id, event, config, nowMs }: Attempt, context: RequestContext): WebhookRequest {
  const { environment, signer } = context;
  const body = webhookBody(event, environment);
  const own = {
    "Content-Type": "application/json",
    "User-Agent": `sessiond/${environment.version}`,
    "X-Webhook-Request-Id": id,
    "X-Webhook-Timestamp": String(nowMs),
    ...(config.hmac?.key && signatures(config.hmac.key, id, nowMs, body, signer)),
  };
  return { url: config.url, headers: withCustom(own, config), body, timeoutMs: attemptTimeoutMs };
}

/** WAHA's signature, and that of Standard Webhooks (standardwebhooks.com) beside it. */
function signatures(key: string, id: string, nowMs: number, body: Uint8Array, signer: Signer): Record<string, string> {
  const seconds = String(Math.floor(nowMs / 1000));
  const signed = concat(utf8(`${id}.${seconds}.`), body);
  return {
    "X-Webhook-Hmac": hex(signer.hmac("sha512", utf8(key), body)),
    "X-Webhook-Hmac-Algorithm": "sha512",
    "webhook-id": id,
    "webhook-timestamp": seconds,
    "webhook-signature": `v1,${base64(signer.hmac("sha256", standardKey(key), signed))}`,
  };
}

const standardPrefix = "whsec_";

/** The specification writes keys as "whsec_" and base64; any other key is its own UTF-8 bytes. */
function standardKey(key: string): Uint8Array {
  if (!key.startsWith(standardPrefix)) return utf8(key);
  try {
    return Uint8Array.from(atob(key.slice(standardPrefix.length)), (character) => character.charCodeAt(0));
  } catch {
    return utf8(key);
  }
}

/** The configured headers and ours; ours win, in whatever case the others are written. One named twice is sent as a list. */
function withCustom(own: Record<string, string>, config: WebhookConfig): Record<string, string> {
  const headers = new Map<string, { name: string; value: string }>();
  for (const { name, value } of config.customHeaders) {
    const before = headers.get(name.toLowerCase());
    headers.set(name.toLowerCase(), before ? { ...before, value: `${before.value}, ${value}` } : { name, value });
  }
  for (const [name, value] of Object.entries(own)) headers.set(name.toLowerCase(), { name, value });
  return Object.fromEntries(Array.from(headers.values(), ({ name, value }) => [name, value]));
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));
