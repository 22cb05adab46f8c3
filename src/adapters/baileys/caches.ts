import type { UserFacingSocketConfig, WASocket } from "@whiskeysockets/baileys";
import type { Clock } from "../../ports/system.ts";
import { SmallCache } from "./small-cache.ts";

const minuteMs = 60_000;

/** Times as in Baileys' DEFAULT_CACHE_TTLS. Baileys itself bounds none of its caches. */
const limits = {
  retries: { ttlMs: 60 * minuteMs, entries: 1_000 },
  calls: { ttlMs: 5 * minuteMs, entries: 100 },
  devices: { ttlMs: 5 * minuteMs, entries: 1_000 },
  pairs: { ttlMs: 60 * minuteMs, entries: 500 },
};

/** Returns the caches of one socket. */
export const cachesOf = (clock: Clock) =>
  ({
    msgRetryCounterCache: new SmallCache(clock, limits.retries),
    placeholderResendCache: new SmallCache(clock, limits.retries),
    callOfferCache: new SmallCache(clock, limits.calls),
    userDevicesCache: new SmallCache(clock, limits.devices),
  }) satisfies Partial<UserFacingSocketConfig>;

/**
 * Replaces Baileys' cache of pairs of number and LID (its lib/Signal/lid-mapping.js), which holds each pair for three days with two
 * timers. The store has them all.
 */
export function boundPairCache({ signalRepository }: WASocket, clock: Clock): void {
  const { lidMapping } = signalRepository;
  const replaced: unknown = Reflect.get(lidMapping, "mappingCache");
  if (typeof replaced !== "object" || replaced === null) throw new Error("Baileys' LID mapping has no cache");
  const pairs = new SmallCache(clock, limits.pairs);
  Reflect.set(lidMapping, "mappingCache", pairs);
  const lookUp = lidMapping.getLIDForPN.bind(lidMapping);
  lidMapping.getLIDForPN = async (pn) => lidIn(pairs, pn) ?? (await lookUp(pn));
}

/**
 * Returns the LID of a number's device, in Baileys' form, if its pair is in the cache. Each message asks six times, and Baileys' own way to
 * its cache, for many numbers at once, costs ten times as much.
 */
function lidIn(pairs: SmallCache, pn: string): string | undefined {
  const [, user, device = "0"] = /^(\d+)(?::(\d+))?@s\.whatsapp\.net$/.exec(pn) ?? [];
  const lid = user && pairs.get<unknown>(`pn:${user}`);
  if (typeof lid !== "string" || lid === "") return undefined;
  return `${lid}${device === "0" ? "" : `:${device}`}@lid`;
}
