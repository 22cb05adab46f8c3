import { create } from "@bufbuild/protobuf";
import { SessionConfigSchema, type WebhookConfig, WebhookConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { configViolations } from "../domain/config-violations.ts";
import type { Violation } from "../domain/errors.ts";
import type { Reader } from "./environment.ts";
import { ConfigError } from "./kinds.ts";
import type { VariableName } from "./variables.ts";

/** The variable that each field of the webhook is read from. */
const fields = {
  url: "WHATSAPP_HOOK_URL",
  events: "WHATSAPP_HOOK_EVENTS",
  "hmac.key": "WHATSAPP_HOOK_HMAC_KEY",
  "hmac.previousKey": "SESSIOND_HOOK_HMAC_PREVIOUS_KEY",
  "retries.policy": "WHATSAPP_HOOK_RETRIES_POLICY",
  "retries.delaySeconds": "WHATSAPP_HOOK_RETRIES_DELAY_SECONDS",
  "retries.attempts": "WHATSAPP_HOOK_RETRIES_ATTEMPTS",
  customHeaders: "WHATSAPP_HOOK_CUSTOM_HEADERS",
} as const satisfies Readonly<Record<string, VariableName>>;
const variableOf: Readonly<Record<string, string>> = fields;

/** Returns the webhook of every session. Throws ConfigError if it breaks a rule for webhooks. */
export function globalWebhookOf(read: Reader): WebhookConfig | undefined {
  const url = read.get(fields.url);
  if (url === undefined) {
    for (const name of Object.values(fields)) {
      if (read.has(name)) read.warn(name, `has no effect: ${fields.url} is not set`);
    }
    return undefined;
  }
  const events = read.get(fields.events);
  const hmac = hmacOf(read);
  const retries = retriesOf(read);
  const webhook = create(WebhookConfigSchema, {
    url,
    events: events.length > 0 ? [...events] : ["*"],
    customHeaders: [...read.get(fields.customHeaders)],
    ...(hmac && { hmac }),
    ...(retries && { retries }),
  });
  const [violation] = configViolations(create(SessionConfigSchema, { webhooks: [webhook] }));
  if (violation) throw new ConfigError(textOf(violation));
  return webhook;
}

function hmacOf(read: Reader) {
  const key = read.get(fields["hmac.key"]);
  const previousKey = read.get(fields["hmac.previousKey"]);
  if (key !== undefined) return { key, ...(previousKey !== undefined && { previousKey }) };
  if (previousKey === undefined) return undefined;
  throw new ConfigError(`${fields["hmac.previousKey"]} is set, but ${fields["hmac.key"]} is not`);
}

function retriesOf(read: Reader) {
  const policy = read.get(fields["retries.policy"]);
  const delaySeconds = read.get(fields["retries.delaySeconds"]);
  const attempts = read.get(fields["retries.attempts"]);
  if ((policy ?? delaySeconds ?? attempts) === undefined) return undefined;
  return {
    ...(policy && { policy }),
    ...(delaySeconds !== undefined && { delaySeconds }),
    ...(attempts !== undefined && { attempts }),
  };
}

/** Returns a violation in terms of the variable: "config.webhooks.0.events.1" is the second item of WHATSAPP_HOOK_EVENTS. */
function textOf({ field, description }: Violation): string {
  const path = field.replace(/^config\.webhooks\.0\./, "");
  const [, list, index, part = ""] = /^(\w+)\.(\d+)(?:\.(\w+))?$/.exec(path) ?? [];
  if (list === undefined) return `${variableOf[path] ?? path} ${description}`;
  return `${variableOf[list] ?? list}: ${part && `the ${part} of `}item ${Number(index) + 1} ${description}`;
}
