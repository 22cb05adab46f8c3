import { ConfigError, type Reader } from "./environment.ts";

/** Who may call: who has the key of Secrets, who has the key that the server has made itself, programs on this machine, or everybody. */
export type Access = "key" | "generated_key" | "this_machine" | "everybody";

/** The API key that is set, or undefined. Throws ConfigError. */
export function apiKeyOf(read: Reader): string | undefined {
  // HTTP takes no space at either end of a header.
  const trimmed = (name: string) => read.text(name)?.trim() || undefined;
  const name = trimmed("WAHA_API_KEY") ? "WAHA_API_KEY" : "WHATSAPP_API_KEY";
  const key = trimmed(name);
  if (key?.startsWith("sha512:") && !/^sha512:[0-9a-f]{128}$/i.test(key)) {
    throw new ConfigError(`${name} must be the key itself, or sha512: and 128 hexadecimal digits`);
  }
  if (key !== undefined && read.boolean("WAHA_NO_API_KEY", false)) {
    throw new ConfigError(`${name} asks for a key and WAHA_NO_API_KEY for none: set one of them`);
  }
  return key;
}

/** Who may call a server that listens on `host`. */
export function accessOf(read: Reader, apiKey: string | undefined, host: string): Access {
  if (apiKey !== undefined) return "key";
  if (isLoopback(host)) return "this_machine";
  return read.boolean("WAHA_NO_API_KEY", false) ? "everybody" : "generated_key";
}

/** Only programs on this machine reach it. */
export const isLoopback = (host: string) => /^(localhost|127\.\d+\.\d+\.\d+|::1)$/i.test(host);
