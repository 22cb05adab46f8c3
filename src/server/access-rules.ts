import packageJson from "../../package.json" with { type: "json" };
import { type AllowList, parseAllowList } from "../adapters/undici/address.ts";
import type { FileFetcherOptions } from "../adapters/undici/file-fetcher.ts";
import { type ChooseProxy, parseProxyRules } from "../adapters/undici/proxy-rules.ts";
import { type Config, ConfigError, type Secrets } from "../config/config.ts";
import { type CorsOptions, corsFor } from "../http/server/cors.ts";
import { createHostGuard, type HostGuard } from "../http/server/host-guard.ts";
import type { Tools } from "./overrides.ts";

/** Rules for callers of the server and for the destinations of its webhooks. */
export interface AccessRules {
  readonly cors: CorsOptions;
  /** Undefined unless the server is open to programs on this machine only. */
  readonly hostGuard: HostGuard | undefined;
  /** The exceptions of the webhook guard; undefined if webhooks may go anywhere. */
  readonly webhookAllowList: AllowList | undefined;
  /** The exceptions of the guard for files; undefined if they may come from anywhere. */
  readonly fileAllowList: AllowList | undefined;
  readonly webhookProxies: ChooseProxy | undefined;
}

/** Reads the settings whose syntax belongs to an adapter. Throws ConfigError, before anything has been opened or written. */
export function accessRulesOf(config: Config, secrets: Secrets): AccessRules {
  const { corsOrigins, allowedHosts, access, webhooks, media } = config;
  const cors = namingVariable("SESSIOND_CORS_ORIGIN", () => corsFor(corsOrigins));
  const origins = cors.origins === "*" ? [] : cors.origins;
  const hostGuard = namingVariable("SESSIOND_ALLOWED_HOSTS", () => createHostGuard({ hosts: allowedHosts, origins }));
  const allowList = namingVariable("SESSIOND_WEBHOOK_ALLOW", () => parseAllowList(webhooks.allow));
  return {
    cors,
    hostGuard: access === "this_machine" ? hostGuard : undefined,
    webhookAllowList: webhooks.guard ? allowList : undefined,
    fileAllowList: media.guard ? allowList : undefined,
    // The message names the variable already.
    webhookProxies: asConfigError(() => parseProxyRules(secrets.webhookProxies)),
  };
}

/** Returns the options with which files and pages that callers name are fetched: through the guard and the proxies of webhooks. */
export const fetcherOptionsOf = (
  { fileAllowList: allow, webhookProxies: proxies }: AccessRules,
  { clock }: Pick<Tools, "clock">,
): Omit<FileFetcherOptions, "limitMs"> => ({
  clock,
  proxies,
  ...(allow && { guard: { allow } }),
  userAgent: `sessiond/${packageJson.version}`,
});

const namingVariable = <T>(name: string, read: () => T): T => asConfigError(read, `${name}: `);

function asConfigError<T>(read: () => T, prefix = ""): T {
  try {
    return read();
  } catch (error) {
    throw new ConfigError(`${prefix}${error instanceof Error ? error.message : ""}`);
  }
}
