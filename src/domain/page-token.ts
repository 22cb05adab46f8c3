import { invalidArgument } from "./errors.ts";
import { fnv1a } from "./hash.ts";

/** Returns the token of the page after a place, for requests with the same filter. `place` and `filter` are ASCII or JSON. */
export function pageTokenOf(place: string, filter: unknown): string {
  const text = `${hashOf(filter)} ${place}`;
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Returns the place of a page token; undefined for "". Throws INVALID_ARGUMENT for another text, and for the token of another filter. */
export function placeOfToken(token: string, filter: unknown): string | undefined {
  if (token === "") return undefined;
  const [hash, ...place] = decode(token).split(" ");
  if (hash === "" || place.length === 0) throw refused("must be the nextPageToken of a page");
  if (hash !== hashOf(filter))
    throw refused("belongs to a request with other filters: repeat those of the page before");
  return place.join(" ");
}

/** Returns one page of items in the order of their places, and the token of the next one. */
export function pageOf<T>(
  items: readonly T[],
  placeOf: (item: T) => string,
  { pageSize, pageToken }: PageRequest,
  filter: unknown,
): Page<T> {
  const after = placeOfToken(pageToken, filter);
  const rest = after === undefined ? items : items.filter((item) => placeOf(item) > after);
  if (pageSize === 0 || rest.length <= pageSize) return { items: rest, nextPageToken: "" };
  const page = rest.slice(0, pageSize);
  const last = page.at(-1);
  return { items: page, nextPageToken: last === undefined ? "" : pageTokenOf(placeOf(last), filter) };
}

/** Part of a list that is asked for. */
export interface PageRequest {
  /** 0: all that follows. */
  readonly pageSize: number;
  /** Token of the page before; "" for the first page. */
  readonly pageToken: string;
}

/** Part of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** "" if nothing follows. */
  readonly nextPageToken: string;
}

const hashOf = (filter: unknown): string => fnv1a(JSON.stringify(filter)).toString(36);

function decode(token: string): string {
  try {
    return atob(token.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return "";
  }
}

const refused = (description: string) => invalidArgument([{ field: "pageToken", description }]);
