import type { Reader } from "./environment.ts";

/** Who may call: who has the key of Secrets, who has the key that the server has made itself, programs on this machine, or everybody. */
export type Access = "key" | "generated_key" | "this_machine" | "everybody";

/** Who may call a server that listens on `host`. */
export function accessOf(read: Reader, apiKey: string | undefined, host: string): Access {
  if (apiKey !== undefined) return "key";
  if (isLoopback(host)) return "this_machine";
  return read.boolean("WAHA_NO_API_KEY", false) ? "everybody" : "generated_key";
}

/** Only programs on this machine reach it. */
export const isLoopback = (host: string) => /^(localhost|127\.\d+\.\d+\.\d+|::1)$/i.test(host);
