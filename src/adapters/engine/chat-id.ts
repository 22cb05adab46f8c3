/** Servers of people's ids, and the server that events show. Hosted devices belong to the account they are hosted for. */
const shownServers: Readonly<Record<string, string>> = {
  "s.whatsapp.net": "c.us",
  "c.us": "c.us",
  hosted: "c.us",
  lid: "lid",
  "hosted.lid": "lid",
};

/** Converts a WhatsApp id to the form in events: people without device and agent, numbers at c.us. Other ids stay as they are. */
export function chatId(id: string): string {
  const at = id.indexOf("@");
  const server = at < 0 ? undefined : shownServers[id.slice(at + 1)];
  if (!server) return id;
  const [user = ""] = id.slice(0, at).split(/[:_]/, 1);
  return `${user}@${server}`;
}

/** Returns whether a chat id is a LID, WhatsApp's id for an account without its number. */
export const isLid = (id: string): boolean => id.endsWith("@lid");

/** Returns whether a chat id is a phone number. */
export const isNumber = (id: string): boolean => id.endsWith("@c.us");

/** Returns whether a chat id belongs to one person. */
export const isPerson = (id: string): boolean => isLid(id) || isNumber(id);

/** The chat ids of an account. `id` is the number if it is known, else the LID. */
export interface Person {
  readonly id: string;
  readonly lid?: string | undefined;
}

/** One person's two chat ids. */
export interface Pair {
  readonly lid: string;
  readonly number: string;
}

/** Returns two ids as a pair, in any form and order; undefined unless one is a LID and the other a number. */
export function pairOf(one: string | null | undefined, other: string | null | undefined): Pair | undefined {
  if (!one || !other) return undefined;
  const [a, b] = [chatId(one), chatId(other)];
  if (isLid(a) && isNumber(b)) return { lid: a, number: b };
  return isNumber(a) && isLid(b) ? { lid: b, number: a } : undefined;
}

/** Returns whether a pair joins the account's own id to another person's, as stanzas with both sender and recipient suggest. */
export const isMixed = ({ lid, number }: Pair, me: Person): boolean => (lid === me.lid) !== (number === me.id);

/** Returns the person whom a message names by `id`, and perhaps by `other`. `me`: the account, whose ids are known. */
export function personOf(id: string, other: string | null | undefined, me: Person): Person {
  const shown = chatId(id);
  if (!isPerson(shown)) return { id: shown };
  if (shown === me.id || shown === me.lid) return me;
  const pair = pairOf(shown, other);
  if (pair && !isMixed(pair, me)) return { id: pair.number, lid: pair.lid };
  return isLid(shown) ? { id: shown, lid: shown } : { id: shown };
}
