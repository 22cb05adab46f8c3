import type { Message } from "@bufbuild/protobuf";
import { type PathSegment, splitPath } from "./path-template.ts";
import type { RouteMatch } from "./route-table.ts";

/** The method and the URL of a request, and the route that they lead to. Requests with the same target may share it. */
export interface RequestTarget<T> {
  readonly path: string;
  readonly query: string;
  /** Segments of the path; undefined for malformed percent-encoding. */
  readonly segments: readonly PathSegment[] | undefined;
  /** Undefined if no route matches. */
  readonly match: RouteMatch<T> | undefined;
  /** The message of all requests with this target, once it has been read; undefined if it depends on more than the target. */
  message: Message | undefined;
}

/** Targets kept at most, and the length of their URLs. */
const capacity = 1_024;
const maxUrlLength = 256;

type Match<T> = (method: string, path: readonly PathSegment[]) => RouteMatch<T> | undefined;

/** Resolves the targets of requests. Those of GET requests are kept: clients ask for the same few again and again. */
export class RequestTargets<T> {
  readonly #match: Match<T>;
  readonly #kept = new Map<string, RequestTarget<T>>();

  constructor(match: Match<T>) {
    this.#match = match;
  }

  /** Returns the target of a request. */
  resolve(method: string, url: string): RequestTarget<T> {
    const kept = method === "GET" ? this.#kept.get(url) : undefined;
    if (kept !== undefined) return kept;
    const { path, query } = splitUrl(url);
    const segments = splitPath(path);
    return { path, query, segments, match: segments && this.#match(method, segments), message: undefined };
  }

  /** Keeps the target of a request that was admitted, unless it is that of one request only. */
  keep(method: string, url: string, target: RequestTarget<T>): void {
    if (method !== "GET" || url.length > maxUrlLength || this.#kept.has(url)) return;
    // The next requests fill it again. To find the oldest would take each of more targets than these longer than to resolve it.
    if (this.#kept.size >= capacity) this.#kept.clear();
    this.#kept.set(url, target);
  }
}

/** Splits a request's target into path and query. It may be in absolute form (RFC 9112, section 3.2.2). */
function splitUrl(url: string): { path: string; query: string } {
  const target = url.startsWith("/") ? url : url.replace(/^https?:\/\/[^/?#]*/i, "");
  const hash = target.indexOf("#");
  const end = hash === -1 ? target.length : hash;
  const mark = target.indexOf("?");
  const isQuery = mark !== -1 && mark < end;
  const path = target.slice(0, isQuery ? mark : end);
  return { path: path.startsWith("/") ? path : `/${path}`, query: isQuery ? target.slice(mark + 1, end) : "" };
}
