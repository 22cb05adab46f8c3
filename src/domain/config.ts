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

/** Stands for a secret in answers. In a request it means "leave the stored secret as it is". */
const mask = "***";

const credentialName = /auth|cookie|token|secret|passw|credential|api_?key|(?:^|[-_])key$/i;
const isCredential = ({ name }: CustomHeader) => credentialName.test(name);

/** Matches the password in a URL's "user:password@". */
const urlPassword = /^([a-z][a-z0-9+.-]*:\/\/[^\\/?#:]*:)([^\\/?#]+)(?=@)/i;

/** Returns a URL with "***" for its password. */
export const maskUrl = (url: string) => url.replace(urlPassword, `$1${mask}`);
const maskText = (text: string) => (text === "" ? text : mask);

const maskHmac = (hmac: HmacConfig): HmacConfig => ({
  ...hmac,
  key: maskText(hmac.key),
  ...(hmac.previousKey !== undefined && { previousKey: maskText(hmac.previousKey) }),
});

/**
 * Returns a configuration as answers show it: `noweb` with its defaults if it was sent, and no empty `hmac` or
 * `retries`.
 */
export function toShownConfig(config: SessionConfig | undefined): SessionConfig {
  const stored = config ?? create(SessionConfigSchema);
  if (!stored.noweb && stored.webhooks.length === 0) return stored;
  const shown = { ...stored, webhooks: stored.webhooks.map(showWebhook) };
  if (!shown.noweb) return shown;
  const { markOnline = true, store } = shown.noweb;
  const { enabled = false, fullSync = false } = store ?? {};
  return { ...shown, noweb: create(NowebConfigSchema, { markOnline, store: { enabled, fullSync } }) };
}

/** Drops `hmac: {"key": null}` and `retries: {}`, which mean the same as null. */
function showWebhook({ hmac, retries, ...rest }: WebhookConfig): WebhookConfig {
  const hasRetries = [retries?.delaySeconds, retries?.attempts, retries?.policy].some((value) => value !== undefined);
  return { ...rest, ...(hmac?.key && { hmac }), ...(retries && hasRetries && { retries }) };
}

/** Returns the configuration with "***" for its keys, passwords and credentials. */
export function maskSecrets(config: SessionConfig): SessionConfig {
  const { proxy, webhooks } = config;
  if (!proxy?.password && webhooks.length === 0) return config;
  return {
    ...config,
    ...(proxy?.password && { proxy: { ...proxy, password: mask } }),
    webhooks: webhooks.map((webhook) => ({
      ...webhook,
      url: maskUrl(webhook.url),
      ...(webhook.hmac && { hmac: maskHmac(webhook.hmac) }),
      customHeaders: webhook.customHeaders.map((header) =>
        isCredential(header) ? { ...header, value: maskText(header.value) } : header,
      ),
    })),
  };
}

/** Replaces each "***" in `next` with the `stored` secret. Throws INVALID_ARGUMENT where none is stored. */
export function restoreSecrets(next: SessionConfig, stored: SessionConfig | undefined): SessionConfig {
  const violations: Violation[] = [];
  const restore: Restore = (value, storedValue, field) => {
    if (value !== mask) return value;
    if (storedValue) return storedValue;
    violations.push({ field, description: `must not be ${mask}` });
    return value;
  };
  const before = matchWebhooks(next.webhooks, stored?.webhooks ?? []);
  const { proxy } = next;
  const config: SessionConfig = {
    ...next,
    ...(proxy?.password && {
      proxy: { ...proxy, password: restore(proxy.password, stored?.proxy?.password, "config.proxy.password") },
    }),
    webhooks: next.webhooks.map((webhook, i) => restoreWebhook(webhook, before[i], `config.webhooks.${i}`, restore)),
  };
  if (violations.length > 0) throw invalidArgument(violations);
  return config;
}

type Restore = (value: string, storedValue: string | undefined, field: string) => string;

function restoreWebhook(
  next: WebhookConfig,
  stored: WebhookConfig | undefined,
  path: string,
  restore: Restore,
): WebhookConfig {
  const headers = matchByKey(next.customHeaders, stored?.customHeaders ?? [], ({ name }) => name.toLowerCase());
  return {
    ...next,
    url: restoreUrl(next.url, stored?.url, `${path}.url`, restore),
    ...(next.hmac && { hmac: restoreHmac(next.hmac, stored?.hmac, `${path}.hmac`, restore) }),
    customHeaders: next.customHeaders.map((header, i) =>
      isCredential(header)
        ? { ...header, value: restore(header.value, headers[i]?.value, `${path}.customHeaders.${i}.value`) }
        : header,
    ),
  };
}

function restoreHmac(next: HmacConfig, stored: HmacConfig | undefined, path: string, restore: Restore): HmacConfig {
  const { key, previousKey } = next;
  return {
    ...next,
    key: restore(key, stored?.key, `${path}.key`),
    ...(previousKey !== undefined && { previousKey: restore(previousKey, stored?.previousKey, `${path}.previousKey`) }),
  };
}

function restoreUrl(url: string, stored: string | undefined, path: string, restore: Restore): string {
  const storedPassword = urlPassword.exec(stored ?? "")?.[2];
  return url.replace(
    urlPassword,
    (_, start: string, password: string) => start + restore(password, storedPassword, path),
  );
}

/**
 * Returns the stored webhook that each new one replaces: the one with the same URL, else the unmatched one at its
 * position.
 */
function matchWebhooks(next: readonly WebhookConfig[], stored: readonly WebhookConfig[]) {
  const matched = matchByKey(next, stored, ({ url }) => maskUrl(url));
  return matched.map((found, i) => {
    const here = stored[i];
    return found ?? (here && !matched.includes(here) ? here : undefined);
  });
}

/** Returns the stored item with the key of each new item. Items with equal keys match in order. */
function matchByKey<T>(next: readonly T[], stored: readonly T[], keyOf: (item: T) => string): (T | undefined)[] {
  const left = Map.groupBy(stored, keyOf);
  return next.map((item) => left.get(keyOf(item))?.shift());
}
