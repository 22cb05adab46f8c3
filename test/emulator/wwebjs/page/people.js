/** People and chats as the page knows them. */
import { Collection, Model, Wid } from "./models.js";

/** LIDs and numbers of people, as far as messages and answers to this document have paired them. */
export class People {
  #numbers = new Map();
  #lids = new Map();

  learn(lid, number) {
    this.#numbers.set(lid, new Wid(number));
    this.#lids.set(number, new Wid(lid));
  }

  numberOf = (wid) => this.#numbers.get(String(wid));
  lidOf = (wid) => this.#lids.get(String(wid));
}

/** The chats. A chat with a person is addressed by LID if `byLid`. */
export class Chats extends Collection {
  byLid = false;
  #people;
  #ask;

  constructor(people, ask) {
    super();
    this.#people = people;
    this.#ask = ask;
  }

  /** Returns a chat, which is made if it is new. */
  async findOrCreate(wid) {
    const id = this.#idOf(wid);
    const known = this.get(id);
    if (known) return known;
    const attributes = { id, formattedTitle: String(id), unreadCount: 0, mute: { expiration: 0 } };
    if (wid.isGroup()) attributes.groupMetadata = await this.#groupOf(wid);
    return this.add(new Model(attributes))[0];
  }

  #idOf(wid) {
    if (wid.isLid()) return this.byLid ? wid : (this.#people.numberOf(wid) ?? wid);
    if (!wid.isUser()) return wid;
    const lid = this.#people.lidOf(wid);
    if (!lid) throw new Error("No LID for user");
    return this.byLid ? lid : wid;
  }

  async #groupOf(wid) {
    const members = await this.#ask({ type: "group", id: String(wid) });
    if (!members) throw new Error("group metadata not found");
    const participants = new Collection();
    for (const member of members) participants.add(new Model({ id: new Wid(member) }));
    return { isLidAddressingMode: this.byLid, participants };
  }
}
