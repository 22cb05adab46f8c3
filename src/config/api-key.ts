import { createHash } from "node:crypto";
import { ConfigError, type Reader } from "./environment.ts";

/** The key itself, as WAHA keeps it beside a hash for its dashboard. */
const plainName = "WAHA_API_KEY_PLAIN";

/**
 * Returns the API key that is set: the key itself, "sha512:" and its hash, or 128 bare hexadecimal digits, which may be either; undefined
 * if there is none. Throws ConfigError where no request could carry the key, or where two settings contradict each other.
 */
export function apiKeyOf(read: Reader): string | undefined {
  const name = read.text("WAHA_API_KEY") ? "WAHA_API_KEY" : "WHATSAPP_API_KEY";
  const setting = settingOf(read, name);
  const plain = plainKeyOf(read);
  const key = plain === undefined ? setting : combined(name, setting, plain);
  if (key !== undefined && read.boolean("WAHA_NO_API_KEY", false)) {
    const source = setting === undefined ? plainName : name;
    throw new ConfigError(`${source} asks for a key and WAHA_NO_API_KEY for none: set one of them`);
  }
  if (plain === undefined && key !== undefined && isBareHash(key)) {
    read.warn(
      name,
      "is 128 hexadecimal digits: both the key that these are and the key that this is the hash of are accepted. " +
        `For a hash put sha512: in front of it; for a key set ${plainName} to it as well`,
    );
  }
  return key;
}

const isBareHash = (text: string) => /^[0-9a-f]{128}$/i.test(text);
/** How a hash begins that is not of the only kind taken. */
const otherHash = /^(?:(?:sha|md)-?\d{1,3}\s*[:=]|\{\w+\}|\$(?:2[abxy]?|[156]|y|argon2\w*|scrypt|pbkdf2[\w-]*)\$)/i;

function settingOf(read: Reader, name: string): string | undefined {
  // HTTP takes no space at either end of a header.
  const key = read.trimmed(name);
  if (key === undefined) return undefined;
  const [, digits] = /^sha-?512\s*:(.*)$/is.exec(key) ?? [];
  if (digits === undefined) {
    if (otherHash.test(key)) {
      throw new ConfigError(
        `${name} is a hash that cannot be checked here: set the key itself, or sha512: and its hash`,
      );
    }
    return sendable(name, key);
  }
  const hash = digits.replace(/\s+/g, "");
  if (!isBareHash(hash)) {
    throw new ConfigError(`${name} must be the key itself, or sha512: and 128 hexadecimal digits`);
  }
  return `sha512:${hash}`;
}

function plainKeyOf(read: Reader): string | undefined {
  const key = read.trimmed(plainName);
  if (key === undefined) return undefined;
  if (/^sha-?512\s*:/i.test(key))
    throw new ConfigError(`${plainName} must be the key itself: its hash belongs in WAHA_API_KEY`);
  return sendable(plainName, key);
}

/** Throws where the key has a character that no header can carry (RFC 9110, section 5.5): every request would be refused. */
function sendable(name: string, key: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are meant.
  if (!/[\x00-\x08\x0a-\x1f\x7f]/.test(key)) return key;
  throw new ConfigError(`${name} has a line break or another control character in it, which no request can carry`);
}

/** The key that both settings stand for. The hash is kept where there is one, so that it is what is compared. */
function combined(name: string, setting: string | undefined, plain: string): string {
  if (setting === undefined || setting === plain) return plain;
  const digits = setting.replace(/^sha512:/, "").toLowerCase();
  if (isBareHash(digits) && createHash("sha512").update(plain).digest("hex") === digits) return `sha512:${digits}`;
  throw new ConfigError(`${name} and ${plainName} are not the same key: set one of them, or correct the other`);
}
