import { LazyHeaders } from "./lazy-headers.ts";

/** The headers or trailers that an RPC sets. A single plain header, such as an ETag, needs no Headers object. */
export class ResponseHeaders extends LazyHeaders {
  #only: [name: string, value: string] | undefined;

  get(name: string): string | null {
    if (this.copy !== undefined) return this.copy.get(name);
    return this.#only?.[0] === name.toLowerCase() ? this.#only[1] : null;
  }

  set(name: string, value: string): void {
    const isFirst = this.copy === undefined && (this.#only === undefined || this.#only[0] === name);
    if (isFirst && plainName.test(name) && plainValue.test(value)) this.#only = [name, value];
    else this.all().set(name, value);
  }

  protected list(): Iterable<readonly [name: string, value: string]> {
    return this.#only === undefined ? [] : [this.#only];
  }

  override [Symbol.iterator](): HeadersIterator<[string, string]> {
    if (this.copy !== undefined) return super[Symbol.iterator]();
    return (this.#only === undefined ? [] : [this.#only]).values();
  }
}

// A Headers object accepts more names and values, changes some of them and throws for others.
const plainName = /^[a-z][a-z-]*$/;
const plainValue = /^[\x21-\x7e]+$/;
