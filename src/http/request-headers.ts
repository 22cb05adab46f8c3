import type { IncomingHttpHeaders } from "node:http";

/** Returns true if a header can be seen; its name is in lower case. */
export type IsVisible = (name: string) => boolean;

/**
 * The headers of a request, in the form that RPCs receive. `get` and `has` read Node.js's object; everything else first copies it into
 * a Headers object, which costs more than most calls need.
 */
export class RequestHeaders implements Headers {
  readonly #source: IncomingHttpHeaders;
  readonly #isVisible: IsVisible;
  #copy: Headers | undefined;

  /** Hides the pseudo-headers of HTTP/2, unless `isVisible` decides differently. Later changes of `source` may remain unseen. */
  constructor(source: IncomingHttpHeaders, isVisible: IsVisible = isHeader) {
    this.#source = source;
    this.#isVisible = isVisible;
  }

  get(name: string): string | null {
    if (this.#copy !== undefined) return this.#copy.get(name);
    const key = name.toLowerCase();
    const value = this.#source[key];
    if (typeof value === "string") return this.#isVisible(key) ? value : null;
    // An object of HTTP/1.1 inherits members such as "constructor".
    return Array.isArray(value) && this.#isVisible(key) ? value.join(", ") : null;
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  append(name: string, value: string): void {
    this.#all().append(name, value);
  }

  delete(name: string): void {
    this.#all().delete(name);
  }

  set(name: string, value: string): void {
    this.#all().set(name, value);
  }

  getSetCookie(): string[] {
    return this.#all().getSetCookie();
  }

  forEach(callback: (value: string, name: string, headers: Headers) => void, thisArg?: unknown): void {
    for (const [name, value] of this) callback.call(thisArg, value, name, this);
  }

  keys() {
    return this.#all().keys();
  }

  values() {
    return this.#all().values();
  }

  entries() {
    return this.#all().entries();
  }

  [Symbol.iterator]() {
    return this.#all()[Symbol.iterator]();
  }

  #all(): Headers {
    if (this.#copy !== undefined) return this.#copy;
    const copy = new Headers();
    for (const [name, value] of Object.entries(this.#source)) {
      if (value === undefined || !this.#isVisible(name)) continue;
      for (const item of typeof value === "string" ? [value] : value) copy.append(name, item);
    }
    this.#copy = copy;
    return copy;
  }
}

const isHeader: IsVisible = (name) => !name.startsWith(":");
