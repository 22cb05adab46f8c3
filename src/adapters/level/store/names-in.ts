import type { Database } from "./database.ts";
import { type Family, partsOf, rangeOf } from "./key.ts";

/** The first key of each name that keys of a family begin with (so many texts): leaps from name to name, however much lies under each. */
export async function* namesIn(
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
