import type { Reader } from "./environment.ts";

/** Callers that are allowed: with the key in Secrets, with the server's own key, on this machine, or all. */
export type Access = "key" | "generated_key" | "this_machine" | "everybody";

/** Returns who may call a server that listens on `host`. */
export function accessOf(read: Reader, apiKey: string | undefined, host: string): Access {
  const isKeyless = read.get("WAHA_NO_API_KEY");
  if (apiKey !== undefined) return "key";
  if (isLoopback(host)) return "this_machine";
  return isKeyless ? "everybody" : "generated_key";
}

/** Returns whether only programs on this machine can reach a server that listens on `host`. */
export const isLoopback = (host: string) => /^(localhost|127\.\d+\.\d+\.\d+|::1)$/i.test(host);
