/** Groups: their members, and WhatsApp's answers to queries about them. */
import type { Phone } from "./phone.ts";
import type { Query } from "./queries.ts";
import { type BinaryNode, child, children, QueryError, stanza, unixTime } from "./stanza.ts";

/** Names by which the members of a group know each other: numbers, or LIDs. */
export type AddressingMode = "pn" | "lid";

/** A group of accounts. */
export class Group {
  readonly id: string;
  readonly subject: string;
  readonly members: Phone[];
  readonly addressing: AddressingMode;

  constructor(id: string, subject: string, members: readonly Phone[], addressing: AddressingMode) {
    this.id = id;
    this.subject = subject;
    this.members = [...members];
    this.addressing = addressing;
  }

  /** Returns the JID of a member in this group. */
  jidOf(member: Phone): string {
    return this.addressing === "lid" ? member.lid : member.jid;
  }

  /** Returns the `<group>` of answers. The first member has created the group. */
  describe(): BinaryNode {
    const participants = this.members.map((member, index) => {
      const other = this.addressing === "lid" ? { phone_number: member.jid } : { lid: member.lid };
      return stanza("participant", { jid: this.jidOf(member), ...other, ...(index === 0 && { type: "admin" }) });
    });
    const creator = this.members[0];
    const attributes = {
      id: this.id.slice(0, this.id.indexOf("@")),
      subject: this.subject,
      addressing_mode: this.addressing,
      creation: unixTime(),
      s_t: unixTime(),
      size: participants.length,
      creator: creator && this.jidOf(creator),
    };
    return stanza("group", attributes, participants);
  }
}

/** All groups of an emulated WhatsApp. */
export class Groups {
  readonly #groups = new Map<string, Group>();

  /** Creates a group of these accounts. */
  create(members: readonly Phone[], addressing: AddressingMode = "pn", subject = "Group"): Group {
    const id = `1203630000000${String(this.#groups.size + 1).padStart(5, "0")}@g.us`;
    const group = new Group(id, subject, members, addressing);
    this.#groups.set(id, group);
    return group;
  }

  /** Returns a group by its JID. */
  get(jid: string): Group | undefined {
    return this.#groups.get(jid);
  }

  /** Returns the groups of an account. */
  of(member: Phone): Group[] {
    return [...this.#groups.values()].filter(({ members }) => members.includes(member));
  }
}

/** Answers by the type of the query and its first child. */
export const groupAnswers: Readonly<Record<string, (query: Query) => BinaryNode[]>> = {
  "w:g2 get query": ({ whatsapp, device, iq }) => {
    const group = whatsapp.groups.get(iq.attrs.to ?? "");
    if (!group) throw new QueryError(404, "item-not-found");
    if (!group.members.includes(device.phone)) throw new QueryError(403, "forbidden");
    return [group.describe()];
  },
  "w:g2 get participating": ({ whatsapp, device }) => [
    stanza(
      "groups",
      {},
      whatsapp.groups.of(device.phone).map((group) => group.describe()),
    ),
  ],
  "w:g2 set create": ({ whatsapp, device, iq }) => {
    const create = child(iq, "create");
    const invited = children(create, "participant").flatMap(({ attrs }) => whatsapp.accountOf(attrs.jid ?? "") ?? []);
    return [whatsapp.groups.create([device.phone, ...invited], "lid", create?.attrs.subject).describe()];
  },
};
