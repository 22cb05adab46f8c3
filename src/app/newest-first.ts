import type { DeliveryName } from "../domain/delivery.ts";

/** Reads the next items of one source, newest first: at most `limit`, and none only at the end. */
export type Reader<T> = (limit: number) => Promise<T[]>;

/** Sources that are read at the same time. */
const concurrency = 32;
/** Items that are read ahead from a source that has contributed one. */
const readAhead = 16;

/** A source with items that were read and not taken, newest first. There is at least one. */
interface Source<T> {
  readonly read: Reader<T>;
  ready: T[];
  /** The place of the first item that is ready. */
  place: DeliveryName;
}

/** Merges sources that are sorted newest first. Reads few items of each: most sources contribute none to a page. */
export class NewestFirst<T> {
  readonly #readers: readonly Reader<T>[];
  readonly #placeOf: (item: T) => DeliveryName;

  constructor(readers: readonly Reader<T>[], placeOf: (item: T) => DeliveryName) {
    this.#readers = readers;
    this.#placeOf = placeOf;
  }

  /** Returns the newest items of all sources. Called once. */
  async take(count: number): Promise<T[]> {
    const sources = await this.#open(Math.ceil(count / Math.max(1, this.#readers.length)));
    sources.sort((a, b) => (isNewer(a.place, b.place) ? -1 : 1));
    const taken: T[] = [];
    while (taken.length < count) {
      const source = sources.shift();
      const item = source?.ready.shift();
      if (source === undefined || item === undefined) break;
      // A delivery can be in two sources while it changes its state.
      const last = taken.at(-1);
      if (last === undefined || isNewer(this.#placeOf(last), source.place)) taken.push(item);
      if (source.ready.length === 0) source.ready = await source.read(readAhead);
      this.#insert(source, sources);
    }
    return taken;
  }

  /** Reads the first items of each source. Leaves out those without any. */
  async #open(limit: number): Promise<Source<T>[]> {
    const sources: Source<T>[] = [];
    const waiting = this.#readers.values();
    const readAll = async () => {
      for (const read of waiting) {
        const ready = await read(limit);
        const [first] = ready;
        if (first !== undefined) sources.push({ read, ready, place: this.#placeOf(first) });
      }
    };
    await Promise.all(Array.from({ length: concurrency }, readAll));
    return sources;
  }

  /** Puts a source back in its place, unless it is at its end. */
  #insert(source: Source<T>, sources: Source<T>[]): void {
    const [first] = source.ready;
    if (first === undefined) return;
    source.place = this.#placeOf(first);
    const at = sources.findIndex(({ place }) => isNewer(source.place, place));
    sources.splice(at === -1 ? sources.length : at, 0, source);
  }
}

const isNewer = (a: DeliveryName, b: DeliveryName): boolean =>
  a.seq > b.seq || (a.seq === b.seq && a.endpointId > b.endpointId);
