import { ConfigError, type Reader } from "./environment.ts";

/** Each part is an unsigned 32-bit number in WhatsApp's protocol. */
const isVersion = (text: string) =>
  /^\d{1,10}\.\d{1,10}\.\d{1,10}$/.test(text) && text.split(".").every((part) => Number(part) < 2 ** 32);

/** NOWEB's client version: "2.3000.1043857760", "auto-web" or "auto-baileys". WAHA's name for it counts where ours is not set. */
export function nowebVersionOf(read: Reader): string | undefined {
  const name = read.text("SESSIOND_NOWEB_VERSION")?.trim() ? "SESSIOND_NOWEB_VERSION" : "WAHA_NOWEB_WA_VERSION";
  const value = read.text(name)?.trim().toLowerCase();
  if (!value) return undefined;
  if (value === "auto-web" || value === "auto-baileys") return value;
  if (isVersion(value)) return value.split(".").map(Number).join(".");
  throw new ConfigError(`${name} must be auto-web, auto-baileys or a version like 2.3000.1043857760`);
}
