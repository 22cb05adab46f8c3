import type { MessagePayload } from "../../../gen/sessiond/v1/event_pb.js";
import { halfNamedIn, withNames } from "./addresses.ts";
import { isLid, isMixed, type Pair, type Person, pairOf } from "./chat-id.ts";

/** Where pairs outlive the process. */
export interface PairStore {
  /** The other chat ids of these: numbers of LIDs, LIDs of numbers; undefined where none is stored. */
  read(ids: readonly string[]): Promise<(string | undefined)[]>;
  /** Resolves when they are stored. */
  write(pairs: readonly Pair[]): Promise<void>;
}

/** 250 people: a busy account's present conversations. The store has the others. */
const rememberedIds = 500;

/**
 * Which LID and which number are one person's, as messages and WhatsApp's other reports tell it: a later message that names
 * only the LID then shows the number.
 */
export class People {
  readonly #store: PairStore;
  readonly #me: () => Person | undefined;
  /** Other ids by id, the least recently used first; undefined: the store has none. */
  readonly #others = new Map<string, string | undefined>();

  /** `me`: the account itself, once it is known. */
  constructor(store: PairStore, me: () => Person | undefined) {
    this.#store = store;
    this.#me = me;
  }

  /** Whether a pair can be true: none that joins the account's own id to somebody else's can. */
  accepts(pair: Pair): boolean {
    const me = this.#me();
    return !me || !isMixed(pair, me);
  }

  /** Whether the other id of this one has been looked up, found or not. */
  hasLookedUp(id: string): boolean {
    return this.#others.has(id);
  }

  /** Remembers pairs at once; resolves when the new ones among them are stored. */
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

  /** The items with their people's other ids in the messages. At once where nothing has to be read; never rejects. */
  complete<T extends { readonly message: MessagePayload }>(items: readonly T[]): readonly T[] | Promise<readonly T[]> {
    const unknown = items.flatMap(({ message }) => halfNamedIn(message)).filter((id) => !this.#others.has(id));
    const named = () => items.map((item) => ({ ...item, message: withNames(item.message, (id) => this.#otherOf(id)) }));
    if (unknown.length === 0) return named();
    // A store that cannot be read has ended the engine; the message is told as it came.
    return this.#read([...new Set(unknown)]).then(named, () => items);
  }

  async #read(ids: readonly string[]): Promise<void> {
    const others = await this.#store.read(ids);
    // A number that was given up still leads to the LID it had, and the LID to another number.
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
