import type { Sealer } from "../../../ports/sealer.ts";
import type { Database, Operation, Range } from "./database.ts";
import { isSecret, rangeOf } from "./key.ts";
import { completeResealing } from "./seal-keys.ts";
import type { StoreWriter } from "./store-writer.ts";

/** Number of entries checked at a time. Other writes run in between. */
const pageSize = 128;
const last = Buffer.of(0xff);

/**
 * Seals every value with the present key while the store is in use, then compacts the tables so that former bytes are gone. Resolves
 * with the number of values sealed, early if `signal` aborts. Idempotent.
 */
export async function resealAll(
  database: Database,
  writer: StoreWriter,
  sealer: Sealer,
  signal: AbortSignal,
): Promise<number> {
  let sealed = 0;
  let range: Range = { gte: rangeOf("meta").lt, lt: last, limit: pageSize };
  while (!signal.aborted) {
    const page = await writer.retryUntilAvailable(() => database.entriesRaw(range));
    const keys = page.flatMap(([key, value]) =>
      isSecret({ key, value }) && sealer.keyIdOf(value) !== sealer.keyId ? [key] : [],
    );
    if (keys.length > 0) await writer.retryUntilAvailable(() => rewrite(database, writer, keys));
    sealed += keys.length;
    const end = page.at(-1)?.[0];
    if (!end || page.length < pageSize) break;
    range = { gt: end, lt: last, limit: pageSize };
  }
  if (signal.aborted) return sealed;
  const through = await completeResealing(database, sealer);
  await writer.retryUntilAvailable(() =>
    writer.write({ sync: true, build: (operations) => void operations.push(...through) }),
  );
  await database.compact();
  return sealed;
}

/** Writes values again, which seals them. Values are read after all earlier writes, and later writes in the group override them. */
async function rewrite(database: Database, writer: StoreWriter, keys: readonly Uint8Array[]): Promise<void> {
  let rewritten: Operation[] = [];
  await writer.write({
    sync: false,
    prepare: async () => {
      const values = await database.getMany(keys);
      rewritten = keys.flatMap((key, index): Operation[] => {
        const value = values[index];
        return value ? [{ type: "put", key, value }] : [];
      });
    },
    build: (operations) => void operations.push(...rewritten),
  });
}
