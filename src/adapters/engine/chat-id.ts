/** The servers of people's ids, and the one that events show instead; hosted devices belong to the account they are hosted for. */
const shownServers: Readonly<Record<string, string>> = {
  "s.whatsapp.net": "c.us",
  "c.us": "c.us",
  hosted: "c.us",
  lid: "lid",
  "hosted.lid": "lid",
};

/** A WhatsApp id as events show it: people without device and agent, numbers at c.us. Ids of groups, channels and lists stay as they are. */
export function chatId(id: string): string {
  const at = id.indexOf("@");
  const server = at < 0 ? undefined : shownServers[id.slice(at + 1)];
  if (!server) return id;
  const [user = ""] = id.slice(0, at).split(/[:_]/, 1);
  return `${user}@${server}`;
}

/** Whether a chat id is a LID, WhatsApp's name for an account without its number. */
export const isLid = (id: string): boolean => id.endsWith("@lid");

/** Whether a chat id is a phone number. */
export const isNumber = (id: string): boolean => id.endsWith("@c.us");

/** Whether a chat id is one person's. */
export const isPerson = (id: string): boolean => isLid(id) || isNumber(id);

/** An account as chat ids: the number if it is known, else the LID; and the LID if it is known. */
export interface Person {
  readonly id: string;
  readonly lid?: string | undefined;
}

/** One person's two chat ids. */
export interface Pair {
  readonly lid: string;
  readonly number: string;
}

/** The two as a pair, in whichever form and order they come; undefined unless one is a LID and the other a number. */
export function pairOf(one: string | null | undefined, other: string | null | undefined): Pair | undefined {
  if (!one || !other) return undefined;
  const [a, b] = [chatId(one), chatId(other)];
  if (isLid(a) && isNumber(b)) return { lid: a, number: b };
  return isNumber(a) && isLid(b) ? { lid: b, number: a } : undefined;
}

/** Whether the pair joins the account's own id to somebody else's, as stanzas do that name the sender beside the recipient. */
export const isMixed = ({ lid, number }: Pair, me: Person): boolean => (lid === me.lid) !== (number === me.id);

/** The person that a message calls `id` and perhaps also `other`. `me`: the account, whose ids are known. */
export function personOf(id: string, other: string | null | undefined, me: Person): Person {
  const shown = chatId(id);
  if (!isPerson(shown)) return { id: shown };
  if (shown === me.id || shown === me.lid) return me;
  const pair = pairOf(shown, other);
  if (pair && !isMixed(pair, me)) return { id: pair.number, lid: pair.lid };
  return isLid(shown) ? { id: shown, lid: shown } : { id: shown };
}
