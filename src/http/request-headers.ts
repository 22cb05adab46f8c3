import type { IncomingHttpHeaders } from "node:http";
import { LazyHeaders } from "./lazy-headers.ts";

/** Returns true if a header can be seen; its name is in lower case. */
export type IsVisible = (name: string) => boolean;

/** The headers of a request, in the form that RPCs receive. `get` and `has` read Node.js's object. */
export class RequestHeaders extends LazyHeaders {
  readonly #source: IncomingHttpHeaders;
  readonly #isVisible: IsVisible;

  /** Hides the pseudo-headers of HTTP/2, unless `isVisible` decides differently. Later changes of `source` may remain unseen. */
  constructor(source: IncomingHttpHeaders, isVisible: IsVisible = isHeader) {
    super();
    this.#source = source;
    this.#isVisible = isVisible;
  }

  get(name: string): string | null {
    if (this.copy !== undefined) return this.copy.get(name);
    const key = name.toLowerCase();
    const value = this.#source[key];
    if (typeof value === "string") return this.#isVisible(key) ? value : null;
    // An object of HTTP/1.1 inherits members such as "constructor".
    return Array.isArray(value) && this.#isVisible(key) ? value.join(", ") : null;
  }

  set(name: string, value: string): void {
    this.all().set(name, value);
  }

  protected *list(): Iterable<readonly [name: string, value: string]> {
    for (const [name, value] of Object.entries(this.#source)) {
      if (value === undefined || !this.#isVisible(name)) continue;
      for (const item of typeof value === "string" ? [value] : value) yield [name, item];
    }
  }
}

const isHeader: IsVisible = (name) => !name.startsWith(":");
