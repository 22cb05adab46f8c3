/** Collects items, and hands them on once for each frame that the browser paints. */
export class FrameQueue<T> {
  readonly #take: (items: readonly T[]) => void;
  #items: T[] = [];
  #frame: number | undefined;

  constructor(take: (items: readonly T[]) => void) {
    this.#take = take;
  }

  add(items: readonly T[]): void {
    this.#items.push(...items);
    this.#frame ??= requestAnimationFrame(() => this.flush());
  }

  /** Hands on what there is now. Hidden pages paint no frames. */
  flush(): void {
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#frame = undefined;
    const items = this.#items;
    this.#items = [];
    if (items.length > 0) this.#take(items);
  }
}
