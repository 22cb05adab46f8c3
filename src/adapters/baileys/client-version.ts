import type { WAVersion } from "@whiskeysockets/baileys";

/** The version that Baileys ships with. Repeated here, so that a start does not load the library for it; a test compares the two. */
export const builtInVersion = "2.3000.1043857760";

/** Splits a version into the parts that Baileys takes. */
export function versionParts(version: string): WAVersion {
  const [primary = 0, secondary = 0, tertiary = 0] = version.split(".").map(Number);
  return [primary, secondary, tertiary];
}

/** Returns a negative number if `one` is older than `other`, a positive one if it is newer. */
export function compareVersions(one: string, other: string): number {
  const others = versionParts(other);
  return (
    versionParts(one)
      .map((part, index) => part - (others[index] ?? 0))
      .find((difference) => difference !== 0) ?? 0
  );
}
