import { create } from "@bufbuild/protobuf";
import {
  type CustomHeader,
  type HmacConfig,
  NowebConfigSchema,
  type SessionConfig,
  SessionConfigSchema,
  type WebhookConfig,
} from "../../gen/sessiond/v1/session_pb.js";
import { invalidArgument, type Violation } from "./errors.ts";

/** Stands where a secret is; sent back, it keeps what is stored. */
const mask = "***";

const credentialName = /auth|cookie|token|secret|passw|credential|api_?key|(?:^|[-_])key$/i;
const isCredential = ({ name }: CustomHeader) => credentialName.test(name);

/** The password in a URL's "user:password@". */
const urlPassword = /^([a-z][a-z0-9+.-]*:\/\/[^\\/?#:]*:)([^\\/?#]+)(?=@)/i;

/** A URL with "***" for a password in it. */
export const maskedUrl = (url: string) => url.replace(urlPassword, `$1${mask}`);
const maskedText = (text: string) => (text === "" ? text : mask);

const maskedHmac = (hmac: HmacConfig): HmacConfig => ({
  ...hmac,
  key: maskedText(hmac.key),
  ...(hmac.previousKey !== undefined && { previousKey: maskedText(hmac.previousKey) }),
});

/** A configuration as it is shown: with the defaults of `noweb` where that was sent, and without empty `hmac` and `retries`. */
export function shownConfig(config: SessionConfig | undefined): SessionConfig {
  const stored = config ?? create(SessionConfigSchema);
  const shown = { ...stored, webhooks: stored.webhooks.map(shownWebhook) };
  if (!shown.noweb) return shown;
  const { markOnline = true, store } = shown.noweb;
  const { enabled = false, fullSync = false } = store ?? {};
  return { ...shown, noweb: create(NowebConfigSchema, { markOnline, store: { enabled, fullSync } }) };
}

/** `hmac: {"key": null}` and `retries: {}` say no more than null does. */
function shownWebhook({ hmac, retries, ...rest }: WebhookConfig): WebhookConfig {
  const hasRetries = [retries?.delaySeconds, retries?.attempts, retries?.policy].some((value) => value !== undefined);
  return { ...rest, ...(hmac?.key && { hmac }), ...(retries && hasRetries && { retries }) };
}

/** A copy with "***" for the keys, passwords and credentials in it. */
export function maskSecrets(config: SessionConfig): SessionConfig {
  const { proxy, webhooks } = config;
  return {
    ...config,
    ...(proxy?.password && { proxy: { ...proxy, password: mask } }),
    webhooks: webhooks.map((webhook) => ({
      ...webhook,
      url: maskedUrl(webhook.url),
      ...(webhook.hmac && { hmac: maskedHmac(webhook.hmac) }),
      customHeaders: webhook.customHeaders.map((header) =>
        isCredential(header) ? { ...header, value: maskedText(header.value) } : header,
      ),
    })),
  };
}

/** `next` with what is `stored` where it says "***". Throws INVALID_ARGUMENT if nothing is stored there. */
export function keepSecrets(next: SessionConfig, stored: SessionConfig | undefined): SessionConfig {
  const violations: Violation[] = [];
  const keep: Keep = (value, kept, field) => {
    if (value !== mask) return value;
    if (kept) return kept;
    violations.push({ field, description: `must not be ${mask}` });
    return value;
  };
  const before = webhooksBefore(next.webhooks, stored?.webhooks ?? []);
  const { proxy } = next;
  const config: SessionConfig = {
    ...next,
    ...(proxy?.password && {
      proxy: { ...proxy, password: keep(proxy.password, stored?.proxy?.password, "config.proxy.password") },
    }),
    webhooks: next.webhooks.map((webhook, i) => keptWebhook(webhook, before[i], `config.webhooks.${i}`, keep)),
  };
  if (violations.length > 0) throw invalidArgument(violations);
  return config;
}

type Keep = (value: string, kept: string | undefined, field: string) => string;

function keptWebhook(next: WebhookConfig, stored: WebhookConfig | undefined, path: string, keep: Keep): WebhookConfig {
  const headers = sameKey(next.customHeaders, stored?.customHeaders ?? [], ({ name }) => name.toLowerCase());
  return {
    ...next,
    url: keptUrl(next.url, stored?.url, `${path}.url`, keep),
    ...(next.hmac && { hmac: keptHmac(next.hmac, stored?.hmac, `${path}.hmac`, keep) }),
    customHeaders: next.customHeaders.map((header, i) =>
      isCredential(header)
        ? { ...header, value: keep(header.value, headers[i]?.value, `${path}.customHeaders.${i}.value`) }
        : header,
    ),
  };
}

function keptHmac(next: HmacConfig, stored: HmacConfig | undefined, path: string, keep: Keep): HmacConfig {
  const { key, previousKey } = next;
  return {
    ...next,
    key: keep(key, stored?.key, `${path}.key`),
    ...(previousKey !== undefined && { previousKey: keep(previousKey, stored?.previousKey, `${path}.previousKey`) }),
  };
}

function keptUrl(url: string, stored: string | undefined, path: string, keep: Keep): string {
  const storedPassword = urlPassword.exec(stored ?? "")?.[2];
  return url.replace(urlPassword, (_, start: string, password: string) => start + keep(password, storedPassword, path));
}

/** The stored webhook each one takes the place of: that of the same URL, else the one left at its position. */
function webhooksBefore(next: readonly WebhookConfig[], stored: readonly WebhookConfig[]) {
  const matched = sameKey(next, stored, ({ url }) => maskedUrl(url));
  return matched.map((found, i) => {
    const here = stored[i];
    return found ?? (here && !matched.includes(here) ? here : undefined);
  });
}

/** For each item the stored one with its key; of several with one key, the n-th for the n-th. */
function sameKey<T>(next: readonly T[], stored: readonly T[], keyOf: (item: T) => string): (T | undefined)[] {
  const left = Map.groupBy(stored, keyOf);
  return next.map((item) => left.get(keyOf(item))?.shift());
}
