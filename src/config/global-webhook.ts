import { create } from "@bufbuild/protobuf";
import { SessionConfigSchema, type WebhookConfig, WebhookConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { configViolations } from "../domain/config-violations.ts";
import { retryPolicies } from "../domain/delivery.ts";
import type { Violation } from "../domain/errors.ts";
import { ConfigError, type Reader } from "./environment.ts";

const urlName = "WHATSAPP_HOOK_URL";
const hmacName = "WHATSAPP_HOOK_HMAC_KEY";
const headersName = "WHATSAPP_HOOK_CUSTOM_HEADERS";

/** The variable that a field of the webhook is read from. */
const variables: Readonly<Record<string, string>> = {
  url: urlName,
  events: "WHATSAPP_HOOK_EVENTS",
  "hmac.key": hmacName,
  "hmac.previousKey": "SESSIOND_HOOK_HMAC_PREVIOUS_KEY",
  "retries.policy": "WHATSAPP_HOOK_RETRIES_POLICY",
  "retries.delaySeconds": "WHATSAPP_HOOK_RETRIES_DELAY_SECONDS",
  "retries.attempts": "WHATSAPP_HOOK_RETRIES_ATTEMPTS",
  customHeaders: headersName,
};

/** The webhook of every session. Throws ConfigError where it breaks a rule for webhooks. */
export function globalWebhookOf(read: Reader): WebhookConfig | undefined {
  const url = read.trimmed(urlName);
  if (url === undefined) {
    for (const name of Object.values(variables)) {
      if (read.text(name) !== undefined) read.warn(name, `has no effect: ${urlName} is not set`);
    }
    return undefined;
  }
  const key = read.text(hmacName);
  const previousKey = read.text("SESSIOND_HOOK_HMAC_PREVIOUS_KEY");
  if (previousKey !== undefined && key === undefined) {
    throw new ConfigError(`SESSIOND_HOOK_HMAC_PREVIOUS_KEY is set, but ${hmacName} is not`);
  }
  const policy = read.oneOf("WHATSAPP_HOOK_RETRIES_POLICY", retryPolicies);
  const delaySeconds = read.number("WHATSAPP_HOOK_RETRIES_DELAY_SECONDS", 0, 3600);
  const attempts = read.integer("WHATSAPP_HOOK_RETRIES_ATTEMPTS", 0, 100);
  const events = read.list("WHATSAPP_HOOK_EVENTS");
  const webhook = create(WebhookConfigSchema, {
    url,
    events: events.length > 0 ? events : ["*"],
    customHeaders: customHeadersOf(read),
    ...(key !== undefined && { hmac: { key, ...(previousKey !== undefined && { previousKey }) } }),
    ...((policy ?? delaySeconds ?? attempts) !== undefined && {
      retries: { ...(policy && { policy }), delaySeconds, attempts },
    }),
  });
  const [violation] = configViolations(create(SessionConfigSchema, { webhooks: [webhook] }));
  if (violation) throw new ConfigError(textOf(violation));
  return webhook;
}

const customHeadersOf = (read: Reader) =>
  read.list(headersName, ";").map((pair) => {
    const colon = pair.indexOf(":");
    if (colon < 1) throw new ConfigError(`${headersName} must read Name:Value;Name:Value`);
    return { name: pair.slice(0, colon).trim(), value: pair.slice(colon + 1).trim() };
  });

/** A broken rule in terms of the variable: "config.webhooks.0.events.1" is the second item of WHATSAPP_HOOK_EVENTS. */
function textOf({ field, description }: Violation): string {
  const path = field.replace(/^config\.webhooks\.0\./, "");
  const [, list, index, part = ""] = /^(\w+)\.(\d+)(?:\.(\w+))?$/.exec(path) ?? [];
  if (list === undefined) return `${variables[path] ?? path} ${description}`;
  return `${variables[list] ?? list}: ${part && `the ${part} of `}item ${Number(index) + 1} ${description}`;
}
