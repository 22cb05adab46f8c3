/** A library that is loaded when it is first needed. */
export class LazyLibrary<T> {
  readonly #loader: () => Promise<T>;
  #loaded: T | undefined;
  #loading: Promise<T> | undefined;

  constructor(load: () => Promise<T>) {
    this.#loader = load;
  }

  /** The library, once it is loaded. */
  get loaded(): T | undefined {
    return this.#loaded;
  }

  /** Loads the library unless it is loaded. Rejects if that fails; the next call then tries again. */
  load(): Promise<T> {
    this.#loading ??= this.#loader().then(
      (library) => {
        this.#loaded = library;
        return library;
      },
      (error: unknown) => {
        this.#loading = undefined;
        throw error;
      },
    );
    return this.#loading;
  }
}
