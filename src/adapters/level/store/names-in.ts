import type { Database } from "./database.ts";
import { type Family, partsOf, rangeOf } from "./key.ts";

/** Yields each distinct prefix of `texts` texts in a family, with the first number after it. Seeks: one step per prefix, not per key. */
export async function* findNames(
  database: Database,
  family: Family,
  texts: number,
): AsyncGenerator<{ name: string[]; firstNumber: bigint }> {
  const keys = database.keys(rangeOf(family)).cursor();
  try {
    for (let key = await keys.next(); key; key = await keys.next()) {
      const { texts: name, numbers } = partsOf(key, texts);
      yield { name, firstNumber: numbers[0] ?? 0n };
      keys.seek(rangeOf(family, ...name).lt);
    }
  } finally {
    await keys.close();
  }
}
