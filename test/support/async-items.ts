/** Collects all items until the end. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

/** Takes `count` items that match, then stops reading. */
export async function take<T>(
  count: number,
  items: AsyncIterable<T>,
  isCounted: (item: T) => boolean = () => true,
): Promise<T[]> {
  const taken: T[] = [];
  for await (const item of items) {
    if (isCounted(item)) taken.push(item);
    if (taken.length === count) break;
  }
  return taken;
}
