import type { Sealer } from "../../../ports/sealer.ts";
import type { Database, Operation, Range } from "./database.ts";
import type { GroupWriter } from "./group-writer.ts";
import { isSecret, rangeOf } from "./key.ts";
import { sealedThrough } from "./seal-keys.ts";

/** How many entries are looked at at a time. Others write in between. */
const pageSize = 128;
const last = Buffer.of(0xff);

/**
 * Seals with the present key what is not, while the store is in use, and then has the tables written anew so that the former
 * bytes are gone from them. Resolves with how many values it sealed; earlier once `signal` is aborted. Can be begun again.
 */
export async function resealAll(
  database: Database,
  writer: GroupWriter,
  sealer: Sealer,
  signal: AbortSignal,
): Promise<number> {
  let sealed = 0;
  let range: Range = { gte: rangeOf("meta").lt, lt: last, limit: pageSize };
  while (!signal.aborted) {
    const page = await writer.patiently(() => database.entriesRaw(range));
    const keys = page.flatMap(([key, value]) =>
      isSecret({ key, value }) && sealer.keyIdOf(value) !== sealer.keyId ? [key] : [],
    );
    if (keys.length > 0) await writer.patiently(() => rewrite(database, writer, keys));
    sealed += keys.length;
    const end = page.at(-1)?.[0];
    if (!end || page.length < pageSize) break;
    range = { gt: end, lt: last, limit: pageSize };
  }
  if (signal.aborted) return sealed;
  const through = await sealedThrough(database, sealer);
  await writer.patiently(() => writer.write({ sync: true, build: (operations) => void operations.push(...through) }));
  await database.compact();
  return sealed;
}

/** Writing seals. What others change before is read again, what they change in the same group comes after it. */
async function rewrite(database: Database, writer: GroupWriter, keys: readonly Uint8Array[]): Promise<void> {
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
