import { createHash } from "node:crypto";
import type { Reader } from "./environment.ts";
import { ConfigError } from "./kinds.ts";
import { isBareHash } from "./special-kinds.ts";

/**
 * Returns the API key, in one of the forms of `apiKey`; undefined if none is set. Throws ConfigError where two settings contradict each
 * other.
 */
export function apiKeyOf(read: Reader): string | undefined {
  const name = read.has("WAHA_API_KEY") ? "WAHA_API_KEY" : "WHATSAPP_API_KEY";
  const setting = read.get(name);
  const plain = read.get("WAHA_API_KEY_PLAIN");
  const key = plain === undefined ? setting : combined(name, setting, plain);
  if (key !== undefined && read.get("WAHA_NO_API_KEY")) {
    const source = setting === undefined ? "WAHA_API_KEY_PLAIN" : name;
    throw new ConfigError(`${source} asks for a key and WAHA_NO_API_KEY for none: set one of them`);
  }
  if (plain === undefined && key !== undefined && isBareHash(key)) {
    read.warn(
      name,
      "is 128 hexadecimal digits, so both the key with these digits and the key with this hash are accepted. " +
        "For a hash put sha512: in front of it; for a key set WAHA_API_KEY_PLAIN to it as well",
    );
  }
  return key;
}

/** Returns the key that both settings mean: the hash where there is one, so that the key itself is not kept in memory. */
function combined(name: string, setting: string | undefined, plain: string): string {
  if (setting === undefined || setting === plain) return plain;
  const digits = setting.replace(/^sha512:/, "").toLowerCase();
  if (isBareHash(digits) && createHash("sha512").update(plain).digest("hex") === digits) return `sha512:${digits}`;
  throw new ConfigError(`${name} and WAHA_API_KEY_PLAIN are not the same key: set one of them, or correct the other`);
}
