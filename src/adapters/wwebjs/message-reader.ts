import { create } from "@bufbuild/protobuf";
import type { MessagePayload } from "../../../gen/sessiond/v1/event_pb.js";
import { type Me, MeSchema } from "../../../gen/sessiond/v1/session_pb.js";
import type { Credentials } from "../../ports/engine.ts";
import { halfNamedIn } from "../engine/addresses.ts";
import { chatId, isLid, type Person, pairOf } from "../engine/chat-id.ts";
import { type PairStore, People } from "../engine/people.ts";
import { messagePayload } from "./message.ts";
import type { PageAccount } from "./page-script.ts";

/** The other ids of people as the page has them, in their order. Never rejects. */
export type PageNames = (ids: readonly string[]) => Promise<readonly (string | null)[]>;

const keyOf = (id: string) => `person:${id}`;

/** Pairs in the session's credentials: the page forgets people, and its store is not ours to read. */
const storedIn = (credentials: Credentials): PairStore => ({
  read: async (ids) => {
    const stored = await credentials.read(ids.map(keyOf));
    return stored.map((bytes) => bytes && Buffer.from(bytes).toString());
  },
  write: (pairs) =>
    credentials.write(
      new Map(
        pairs.flatMap(({ lid, number }) => [
          [keyOf(lid), Buffer.from(number)],
          [keyOf(number), Buffer.from(lid)],
        ]),
      ),
    ),
});

/** Makes events of what the page reports, with people's numbers as far as the message, the page or an earlier message tells them. */
export class MessageReader {
  readonly #people: People;
  readonly #askPage: PageNames;
  #me: Person | undefined;

  constructor(credentials: Credentials, askPage: PageNames) {
    this.#askPage = askPage;
    this.#people = new People(storedIn(credentials), () => this.#me);
  }

  /** Sets whose messages are read; returns the account as events show it. To be called before `read`. */
  setAccount({ id, lid, pushName }: PageAccount): Me {
    this.#me = { id: chatId(id), ...(lid && { lid: chatId(lid) }) };
    return create(MeSchema, { id: this.#me.id, pushName });
  }

  /** The message as an event, or undefined if it is none that a user wrote. What it tells of people is stored when it resolves. */
  async read(data: object): Promise<MessagePayload | undefined> {
    const message = this.#me && messagePayload(data, this.#me);
    if (!message) return undefined;
    const { from, fromLid, to, toLid, participant, participantLid } = message;
    await this.#people.learn([pairOf(from, fromLid), pairOf(to, toLid), pairOf(participant, participantLid)]);
    // A number may have come to a LID, or to another one, since it was last asked for.
    const asked = halfNamedIn(message).filter((id) => isLid(id) || !this.#people.hasLookedUp(id));
    if (asked.length > 0) {
      const others = await this.#askPage(asked);
      await this.#people.learn(asked.map((id, i) => pairOf(id, others[i])));
    }
    const [named] = await this.#people.complete([{ message }]);
    return named?.message;
  }
}
