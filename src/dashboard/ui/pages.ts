/** A page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** "" if no page follows. */
  readonly nextPageToken: string;
}

/** Items from the first on. */
export interface Items<T> {
  readonly items: readonly T[];
  readonly hasMore: boolean;
}

/** Loads pages until there are `count` items, or all. */
export async function loadPages<T>(
  count: number,
  pageSize: number,
  load: (page: { readonly pageSize: number; readonly pageToken: string }) => Promise<Page<T>>,
): Promise<Items<T>> {
  const items: T[] = [];
  let pageToken = "";
  do {
    const page = await load({ pageSize: Math.min(pageSize, count - items.length), pageToken });
    items.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && items.length < count);
  return { items, hasMore: pageToken !== "" };
}
