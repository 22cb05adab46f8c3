import type { MessagePayload } from "../../../gen/sessiond/v1/event_pb.js";
import { halfNamedIn, withNames } from "./addresses.ts";
import { isLid, isMixed, isPerson, type Pair, type Person, pairOf } from "./chat-id.ts";

/** Durable store of pairs. */
export interface PairStore {
  /** Returns the other chat ids of these ids in their order; undefined where none is stored. */
  read(ids: readonly string[]): Promise<(string | undefined)[]>;
  /** Stores pairs; resolves when they are stored. */
  write(pairs: readonly Pair[]): Promise<void>;
}

/** 250 people: the active conversations of a busy account. The store has the others. */
const rememberedIds = 500;

/**
 * Knows which LID and which number belong to one person, from messages and WhatsApp's other reports. A later message that names only
 * the LID then shows the number.
 */
export class People {
  readonly #store: PairStore;
  readonly #me: () => Person | undefined;
  /** Other ids by id, the least recently used first. Undefined: the store has none. */
  readonly #others = new Map<string, string | undefined>();

  /** `me` returns the account itself, once it is known. `stored`: a pair that is known to be stored. */
  constructor(store: PairStore, me: () => Person | undefined, stored?: Pair) {
    this.#store = store;
    this.#me = me;
    if (!stored) return;
    this.#remember(stored.lid, stored.number);
    this.#remember(stored.number, stored.lid);
  }

  /** Returns whether a pair can be true. A pair of the account's own id and another person's cannot. */
  accepts(pair: Pair): boolean {
    const me = this.#me();
    return !me || !isMixed(pair, me);
  }

  /** Returns whether the other id of `id` has been looked up, found or not. */
  hasLookedUp(id: string): boolean {
    return this.#others.has(id);
  }

  /** Remembers pairs at once; resolves when the new ones are stored. */
  async learn(pairs: readonly (Pair | undefined)[]): Promise<void> {
    const news = pairs.flatMap((pair) => (pair && this.accepts(pair) && this.#isNew(pair) ? [pair] : []));
    for (const { lid, number } of news) {
      const former = this.#others.get(lid);
      if (former !== undefined) this.#others.delete(former);
      this.#remember(lid, number);
      this.#remember(number, lid);
    }
    if (news.length > 0) await this.#store.write(news);
  }

  /** Returns the other chat id of a person; undefined if it is not known. Rejects if the store cannot be read. */
  async otherOf(id: string): Promise<string | undefined> {
    if (!isPerson(id)) return undefined;
    if (!this.#others.has(id)) await this.#read([id]);
    return this.#otherOf(id);
  }

  /** Returns the items with people's other ids in their messages, synchronously if nothing has to be read. Never rejects. */
  complete<T extends { readonly message: MessagePayload }>(items: readonly T[]): readonly T[] | Promise<readonly T[]> {
    const unknown = items.flatMap(({ message }) => halfNamedIn(message)).filter((id) => !this.#others.has(id));
    const named = () => items.map((item) => ({ ...item, message: withNames(item.message, (id) => this.#otherOf(id)) }));
    if (unknown.length === 0) return named();
    // A failed read has ended the engine; the messages are reported as they came.
    return this.#read([...new Set(unknown)]).then(named, () => items);
  }

  async #read(ids: readonly string[]): Promise<void> {
    const others = await this.#store.read(ids);
    // A former number still leads to its LID, but the LID leads to another number.
    const lids = others.flatMap((other) => (other !== undefined && isLid(other) ? [other] : []));
    const numbers = lids.length > 0 ? await this.#store.read(lids) : [];
    for (const [i, id] of ids.entries()) {
      const other = others[i];
      const pair = pairOf(id, other);
      const isTrue = pair && this.accepts(pair) && (isLid(id) || numbers[lids.indexOf(pair.lid)] === id);
      if (!this.#others.has(id)) this.#remember(id, isTrue ? other : undefined);
    }
  }

  #isNew({ lid, number }: Pair): boolean {
    return this.#others.get(lid) !== number || this.#others.get(number) !== lid;
  }

  #otherOf(id: string): string | undefined {
    const other = this.#others.get(id);
    if (other !== undefined) this.#remember(id, other);
    return other;
  }

  #remember(id: string, other: string | undefined): void {
    this.#others.delete(id);
    this.#others.set(id, other);
    for (const oldest of this.#others.keys()) {
      if (this.#others.size <= rememberedIds) break;
      this.#others.delete(oldest);
    }
  }
}
