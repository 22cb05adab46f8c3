/** All items until the end. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

/** That many items of those that count; then the reader leaves. */
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
