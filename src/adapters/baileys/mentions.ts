import { isJidGroup } from "@whiskeysockets/baileys";
import type { OutgoingContent, OutgoingMessage } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Clock } from "../../ports/system.ts";
import { chatId as chatIdOf, isNumber, isPerson } from "../engine/chat-id.ts";
import { strangerMentioned } from "../engine/refusal-reason.ts";
import type { Accounts } from "./accounts.ts";
import type { Connection } from "./connection.ts";
import { jidOf } from "./name-sources.ts";
import { SmallCache } from "./small-cache.ts";

/** A group's members are asked for again after this time, and for a person who is not among them. */
const memory = { ttlMs: 60_000, entries: 50 };
const everyone = "all";

/** The persons whom messages mention. */
export class Mentions {
  readonly #accounts: Accounts;
  /** All chat ids of groups' members, by group. */
  readonly #members: SmallCache;

  constructor(clock: Clock, accounts: Accounts) {
    this.#accounts = accounts;
    this.#members = new SmallCache(clock, memory);
  }

  /** Returns those of these persons who are not in a chat. */
  async strangers(chatId: string, mentions: readonly string[], connection: Connection): Promise<string[]> {
    const persons = mentions.filter((one) => one !== everyone);
    if (persons.length === 0) return [];
    if (isPerson(chatId)) return this.#outside(await this.#partiesOf(chatId, connection), persons, connection);
    if (!isJidGroup(chatId)) return [];
    const known = this.#members.get<ReadonlySet<string>>(chatId);
    const unknown = known ? await this.#outside(known, persons, connection) : persons;
    if (unknown.length === 0) return [];
    return this.#outside(await this.#membersOf(chatId, connection), unknown, connection);
  }

  /** Returns the JIDs of the persons whom a message mentions. Rejects with SendRefused if one of them is not in the chat. */
  async jidsOf(
    { chatId }: Pick<OutgoingMessage, "chatId">,
    { mentions }: OutgoingContent,
    connection: Connection,
  ): Promise<string[]> {
    const [stranger] = await this.strangers(chatId, mentions, connection);
    if (stranger !== undefined) throw strangerMentioned(stranger);
    const isForAll = mentions.includes(everyone) && isJidGroup(chatId);
    const members = isForAll ? (await connection.socket.groupMetadata(chatId)).participants : [];
    const persons = mentions.filter((one) => one !== everyone).map(jidOf);
    return [...new Set([...persons, ...members.map(({ id }) => id)])];
  }

  async #outside(members: ReadonlySet<string>, persons: readonly string[], connection: Connection): Promise<string[]> {
    const outside = [];
    for (const person of persons) if (!(await this.#isAmong(members, person, connection))) outside.push(person);
    return outside;
  }

  async #isAmong(members: ReadonlySet<string>, person: string, { people, socket }: Connection): Promise<boolean> {
    const isMember = async (id: string) => members.has(id) || members.has((await people.otherOf(id)) ?? "");
    if (await isMember(person)) return true;
    if (!isNumber(person)) return false;
    // The account may have other digits, and a group may name its members by their LIDs only.
    const jid = await this.#accounts.check(person.slice(0, person.indexOf("@")), socket);
    return jid !== undefined && isMember(chatIdOf(jid));
  }

  async #partiesOf(chatId: string, { people, socket, me }: Connection): Promise<ReadonlySet<string>> {
    const jid = isNumber(chatId) ? await this.#accounts.addressee(chatId, socket, people) : undefined;
    // Baileys asks for the LID anyway when it sends.
    const lid = jid && (await socket.signalRepository.lidMapping.getLIDForPN(jid));
    const other = await people.otherOf(chatId);
    return new Set([chatId, jid, lid, other, me.id, me.lid].flatMap((id) => (id ? chatIdOf(id) : [])));
  }

  async #membersOf(group: string, { socket }: Connection): Promise<ReadonlySet<string>> {
    const { participants } = await socket.groupMetadata(group);
    const ids = participants.flatMap(({ id, lid, phoneNumber }) => [id, lid, phoneNumber].flatMap((one) => one ?? []));
    const members = new Set(ids.map(chatIdOf));
    this.#members.set(group, members);
    return members;
  }
}
