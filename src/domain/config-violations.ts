import type {
  ClientConfig,
  CustomHeader,
  ProxyConfig,
  RetriesConfig,
  SessionConfig,
  WebhookConfig,
} from "../../gen/sessiond/v1/session_pb.js";
import { retryPolicies } from "./delivery.ts";
import type { Violation } from "./errors.ts";
import { disabledEventName, eventNames, healthEventName, postedEventNames } from "./event.ts";

/** The longest delay between retries that a webhook can ask for. */
export const maxRetryDelaySeconds = 3600;
/** The most retries that a webhook can ask for. */
export const maxRetries = 100;

/**
 * Returns each broken rule of a configuration (wire.md, section 2). `path` is the configuration's place in the request.
 */
export function configViolations(config: SessionConfig | undefined, path = "config"): Violation[] {
  if (!config) return [];
  return [
    ...(config.proxy ? proxyViolations(config.proxy, `${path}.proxy`) : []),
    ...(config.client ? clientViolations(config.client, `${path}.client`) : []),
    ...config.webhooks.flatMap((webhook, i) => webhookViolations(webhook, `${path}.webhooks.${i}`)),
  ];
}

/** Returns the events that a configuration subscribes to and this server never fires, each with its path. */
export function eventsThatNeverFire(
  config: Pick<SessionConfig, "webhooks"> | undefined,
  path = "config",
): { field: string; event: string }[] {
  return (config?.webhooks ?? []).flatMap(({ events }, i) =>
    events.flatMap((event, j) =>
      event === "*" || postedEventNames.includes(event) ? [] : [{ field: `${path}.webhooks.${i}.events.${j}`, event }],
    ),
  );
}

const violationIf = (broken: boolean, field: string, description: string): Violation[] =>
  broken ? [{ field, description }] : [];

const proxyServer = /^(?:socks5:\/\/)?(?<host>\[[0-9A-Fa-f:.]+\]|[^\s:/?#@[\]\\%]+):(?<port>\d{1,5})$/;

function proxyViolations({ server }: ProxyConfig, path: string): Violation[] {
  const { host, port } = proxyServer.exec(server)?.groups ?? {};
  const valid = host !== undefined && URL.canParse(`http://${host}:${port}`) && Number(port) > 0;
  return violationIf(!valid, `${path}.server`, "must be host:port, without http:// or https://");
}

/** Printable text; the phone shows it in one line. */
const deviceName = /^\P{C}{0,64}$/u;

const clientViolations = (client: ClientConfig, path: string): Violation[] =>
  (["deviceName", "browserName"] as const).flatMap((name) =>
    violationIf(
      !deviceName.test(client[name] ?? ""),
      `${path}.${name}`,
      "must have at most 64 characters, without line breaks and other control characters",
    ),
  );

function webhookViolations(webhook: WebhookConfig, path: string): Violation[] {
  return [
    ...violationIf(!isWebhookUrl(webhook.url), `${path}.url`, "must be a URL address"),
    ...webhook.events.flatMap((name, i) =>
      violationIf(!isEventName(name), `${path}.events.${i}`, oneOf(acceptedNames)),
    ),
    ...(webhook.retries ? retriesViolations(webhook.retries, `${path}.retries`) : []),
    ...webhook.customHeaders.flatMap((header, i) => headerViolations(header, `${path}.customHeaders.${i}`)),
  ];
}

// URL parsers accept more than a URL may contain: blanks, and any number of slashes.
const isWebhookUrl = (url: string) => /^https?:\/\/[^\s/\\]\S*$/i.test(url) && URL.canParse(url);

const acceptedNames: readonly string[] = [...eventNames, healthEventName, disabledEventName, "*"];
const isEventName = (name: string) => acceptedNames.includes(name);

const oneOf = (values: readonly string[]) => `must be one of the following values: ${values.join(", ")}`;

function retriesViolations({ delaySeconds = 0, attempts = 0, policy }: RetriesConfig, path: string): Violation[] {
  const knownPolicy = policy === undefined || retryPolicies.some((known) => known === policy);
  return [
    ...violationIf(!Number.isFinite(delaySeconds), `${path}.delaySeconds`, "must be a number"),
    ...violationIf(delaySeconds < 0, `${path}.delaySeconds`, "must not be less than 0"),
    ...violationIf(
      delaySeconds > maxRetryDelaySeconds,
      `${path}.delaySeconds`,
      `must not be greater than ${maxRetryDelaySeconds}`,
    ),
    ...violationIf(attempts > maxRetries, `${path}.attempts`, `must not be greater than ${maxRetries}`),
    ...violationIf(!knownPolicy, `${path}.policy`, oneOf(retryPolicies)),
  ];
}

/** An HTTP token (RFC 9110, section 5.6.2). */
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Names that the HTTP client sets for framing, and X-Webhook-* and Webhook-*, which sessiond sets. */
const reservedHeader =
  /^(host|content-length|transfer-encoding|connection|keep-alive|upgrade|expect|te|x-webhook-.*|webhook-.*)$/i;
/** Values that HTTP can carry. Any other value would make every delivery fail. */
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/;

function headerViolations({ name, value }: CustomHeader, path: string): Violation[] {
  return [
    ...violationIf(!headerName.test(name), `${path}.name`, "must be an HTTP header name"),
    ...violationIf(
      reservedHeader.test(name),
      `${path}.name`,
      "must not be Host, Content-Length, Transfer-Encoding, Connection, Keep-Alive, Upgrade, Expect, TE, X-Webhook-* or Webhook-*",
    ),
    ...violationIf(
      !headerValue.test(value),
      `${path}.value`,
      "must not contain CR, LF, NUL or other characters that HTTP cannot carry",
    ),
  ];
}
