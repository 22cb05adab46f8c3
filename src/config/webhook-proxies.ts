import type { Reader } from "./environment.ts";

type Name = "http_proxy" | "HTTP_PROXY" | "https_proxy" | "HTTPS_PROXY" | "no_proxy" | "NO_PROXY";

/** A variable that is set. */
export interface SetVariable {
  readonly name: string;
  readonly value: string;
}

/** The variables with the proxies of webhooks, and with the hosts that are reached without one. */
export type WebhookProxies = Readonly<Record<"http" | "https" | "none", SetVariable | undefined>>;

/** Reads them as curl does: the lower-case name goes first, and each proxy is for URLs of its own scheme. */
export function readWebhookProxies(read: Reader): WebhookProxies {
  const first = (...names: readonly Name[]) => {
    const name = names.find((each) => read.has(each));
    return name && { name, value: read.get(name) ?? "" };
  };
  return {
    http: first("http_proxy", "HTTP_PROXY"),
    https: first("https_proxy", "HTTPS_PROXY"),
    none: first("no_proxy", "NO_PROXY"),
  };
}
