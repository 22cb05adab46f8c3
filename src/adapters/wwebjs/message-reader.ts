import { create } from "@bufbuild/protobuf";
import type { MessagePayload } from "../../../gen/sessiond/v1/event_pb.js";
import { type Me, MeSchema } from "../../../gen/sessiond/v1/session_pb.js";
import type { Credentials } from "../../ports/engine.ts";
import { halfNamedIn } from "../engine/addresses.ts";
import { chatId, isLid, type Person, pairOf } from "../engine/chat-id.ts";
import type { Report } from "../engine/message-report.ts";
import { type PairStore, People } from "../engine/people.ts";
import { messagePayload } from "./message.ts";
import { type ChangeKind, changeIn } from "./message-change.ts";
import type { PageAccount } from "./page-script.ts";

/** Asks the page for people's other ids, in their order. Never rejects. */
export type PageNames = (ids: readonly string[]) => Promise<readonly (string | null)[]>;

const keyOf = (id: string) => `person:${id}`;

/** Stores pairs in the session's credentials, because the page forgets people and offers no access to its own store. */
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

/** Converts the page's messages, with people's numbers as far as the message, the page or an earlier message tells them. */
export class MessageReader {
  readonly #people: People;
  readonly #askPage: PageNames;
  /** Messages that came before `opened`. */
  readonly #held: object[] = [];
  #me: Person | undefined;

  constructor(credentials: Credentials, askPage: PageNames) {
    this.#askPage = askPage;
    this.#people = new People(storedIn(credentials), () => this.#me);
  }

  /** Sets the account whose messages are read; returns it as events show it. Call it before `read`. */
  setAccount({ id, lid, pushName }: PageAccount): Me {
    this.#me = { id: chatId(id), ...(lid && { lid: chatId(lid) }) };
    return create(MeSchema, { id: this.#me.id, pushName, ...(lid && { lid: chatId(lid) }) });
  }

  /** Holds a message until `takeHeld`. */
  hold(data: object): void {
    this.#held.push(data);
  }

  /** Removes and returns the held messages, oldest first. */
  takeHeld(): object[] {
    return this.#held.splice(0);
  }

  /** Returns the message as events show it; undefined if no user wrote it. Its pairs of ids are on disk when it resolves. */
  async read(data: object): Promise<MessagePayload | undefined> {
    const message = this.#me && messagePayload(data, this.#me);
    return message && this.#named(message);
  }

  /** Returns a change as the engine reports it; undefined if the page does not name the message. */
  async readChange(kind: ChangeKind, data: object): Promise<Report | undefined> {
    const report = this.#me && changeIn(kind, data, this.#me);
    return report && { ...report, message: await this.#named(report.message) };
  }

  /** Returns all ids of a chat, with the one asked for first. */
  async namesOf(chatId: string): Promise<string[]> {
    const other = (await this.#people.otherOf(chatId)) ?? (await this.#askPage([chatId]))[0];
    return other ? [chatId, other] : [chatId];
  }

  async #named(message: MessagePayload): Promise<MessagePayload> {
    const { from, fromLid, to, toLid, participant, participantLid } = message;
    await this.#people.learn([pairOf(from, fromLid), pairOf(to, toLid), pairOf(participant, participantLid)]);
    // A LID may have got its number since it was last asked for.
    const asked = halfNamedIn(message).filter((id) => isLid(id) || !this.#people.hasLookedUp(id));
    if (asked.length > 0) {
      const others = await this.#askPage(asked);
      await this.#people.learn(asked.map((id, i) => pairOf(id, others[i])));
    }
    const [named] = await this.#people.complete([{ message }]);
    return named?.message ?? message;
  }
}
