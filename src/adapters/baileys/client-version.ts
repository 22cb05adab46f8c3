import { DEFAULT_CONNECTION_CONFIG, type WAVersion } from "@whiskeysockets/baileys";

/** The version that Baileys brings with it. */
export const builtInVersion = (): string => DEFAULT_CONNECTION_CONFIG.version.join(".");

/** A version as Baileys takes it. */
export function versionParts(version: string): WAVersion {
  const [primary = 0, secondary = 0, tertiary = 0] = version.split(".").map(Number);
  return [primary, secondary, tertiary];
}

/** Negative if `one` is older than `other`, positive if it is newer. */
export function compareVersions(one: string, other: string): number {
  const others = versionParts(other);
  return (
    versionParts(one)
      .map((part, index) => part - (others[index] ?? 0))
      .find((difference) => difference !== 0) ?? 0
  );
}
