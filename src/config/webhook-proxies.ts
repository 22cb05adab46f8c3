import type { Reader } from "./environment.ts";

/** A variable that is set. */
export interface Variable {
  readonly name: string;
  readonly value: string;
}

/** The variables that name the proxies of webhooks, and the hosts that are reached without one. */
export type WebhookProxies = Readonly<Record<"http" | "https" | "none", Variable | undefined>>;

/** Reads them as curl does: by either name, the lower-case one first; each proxy is for URLs of its own scheme. */
export function readWebhookProxies(read: Reader): WebhookProxies {
  const variable = (name: string): Variable | undefined => {
    const set = [name.toLowerCase(), name].find((each) => read.text(each)?.trim());
    return set === undefined ? undefined : { name: set, value: read.text(set) ?? "" };
  };
  return { http: variable("HTTP_PROXY"), https: variable("HTTPS_PROXY"), none: variable("NO_PROXY") };
}
