/**
 * Headers that are kept in a form of their own, in which a subclass answers what most calls need. All else first copies them into the
 * library's Headers object, which costs more than the rest of such a call.
 */
export abstract class LazyHeaders implements Headers {
  #copy: Headers | undefined;

  abstract get(name: string): string | null;
  abstract set(name: string, value: string): void;

  /** Returns the headers in their own form, called once to fill the copy. */
  protected abstract list(): Iterable<readonly [name: string, value: string]>;

  /** The copy, which is valid instead of the own form from the moment it exists. */
  protected get copy(): Headers | undefined {
    return this.#copy;
  }

  /** Returns the copy, after making it if it does not exist. */
  protected all(): Headers {
    if (this.#copy !== undefined) return this.#copy;
    const copy = new Headers();
    for (const [name, value] of this.list()) copy.append(name, value);
    this.#copy = copy;
    return copy;
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  append(name: string, value: string): void {
    this.all().append(name, value);
  }

  delete(name: string): void {
    this.all().delete(name);
  }

  getSetCookie(): string[] {
    return this.all().getSetCookie();
  }

  forEach(callback: (value: string, name: string, headers: Headers) => void, thisArg?: unknown): void {
    for (const [name, value] of this) callback.call(thisArg, value, name, this);
  }

  keys() {
    return this.all().keys();
  }

  values() {
    return this.all().values();
  }

  entries() {
    return this.all().entries();
  }

  [Symbol.iterator](): HeadersIterator<[string, string]> {
    return this.all()[Symbol.iterator]();
  }
}
