import { type BinaryNode, jidDecode, proto, type WAMessage, type WASocket } from "@whiskeysockets/baileys";
import type { Clock } from "../../ports/system.ts";
import { isLid, type Pair, pairOf } from "../engine/chat-id.ts";
import { type PairStore, People } from "../engine/people.ts";
import type { AuthStore } from "./auth-state.ts";
import { onMessages } from "./client.ts";
import { accountOf } from "./message.ts";
import { alignOwnMessage, jidOf, pairsIn, pairsInReports } from "./name-sources.ts";
import { SmallCache } from "./small-cache.ts";

/** Each message to a group asks for its members. Those that join later are told by notifications. */
const groupMemory = { ttlMs: 60 * 60_000, entries: 200 };

const userOf = (id: string): string => id.slice(0, id.indexOf("@"));

/**
 * Returns Baileys' own store of pairs in the login (its lib/Signal/lid-mapping.js): the LID's user under the number's user, and the
 * number's under the LID's with a suffix. A pair is on disk before a later message is acknowledged.
 */
function storedIn({ state: { keys } }: AuthStore): PairStore {
  const keyOf = (id: string) => (isLid(id) ? `${userOf(id)}_reverse` : userOf(id));
  return {
    read: async (ids) => {
      const found = await keys.get("lid-mapping", ids.map(keyOf));
      return ids.map((id) => {
        const user = found[keyOf(id)];
        return user ? `${user}@${isLid(id) ? "c.us" : "lid"}` : undefined;
      });
    },
    write: async (pairs) => {
      const users = pairs.flatMap(({ lid, number }) => [
        [keyOf(number), userOf(lid)],
        [keyOf(lid), userOf(number)],
      ]);
      await keys.set({ "lid-mapping": Object.fromEntries(users) });
    },
  };
}

/** Returns the people that a login knows, the account among them. */
export function peopleOf(auth: AuthStore): People {
  const { creds } = auth.state;
  const me = () => creds.me && accountOf(creds.me);
  // Baileys itself stores the account's own pair at each login, unless it is stored already.
  const own = me();
  return new People(storedIn(auth), me, pairOf(own?.lid, own?.id));
}

/**
 * Learns pairs of ids from all that WhatsApp sends. Call it after the engine has set its own listener for messages, so that a
 * message's pairs are learned before the message is reported.
 */
export function followNames(socket: WASocket, auth: AuthStore, people: People, clock: Clock): void {
  const { ws, ev, signalRepository } = socket;
  const me = () => auth.state.creds.me && accountOf(auth.state.creds.me);
  const learn = (pairs: readonly (Pair | undefined)[]): void => {
    // A failed write has ended the engine.
    people.learn(pairs).catch(() => {});
  };
  for (const tag of ["message", "receipt", "notification", "call"]) {
    ws.prependListener(`CB:${tag}`, (stanza: BinaryNode) => {
      const own = me();
      if (own && tag === "message") alignOwnMessage(stanza, own);
      learn(pairsIn(stanza));
    });
  }
  const learnedGroups = new SmallCache(clock, groupMemory);
  ws.prependListener("CB:iq,,group", (stanza: BinaryNode) => {
    const { from = "" } = stanza.attrs;
    if (learnedGroups.get(from)) return;
    learnedGroups.set(from, true);
    learn(pairsIn(stanza));
  });
  ev.process((reports) => learn(pairsInReports(reports)));
  learnWhatBaileysStores(signalRepository, people, learn);
  followCopies(socket, me, learn);
}

/** Learns the pairs that Baileys stores from app state, history and its own queries, and stops it from storing mixed ones. */
function learnWhatBaileysStores(
  { lidMapping }: WASocket["signalRepository"],
  people: People,
  learn: (pairs: readonly (Pair | undefined)[]) => void,
): void {
  const store = lidMapping.storeLIDPNMappings.bind(lidMapping);
  lidMapping.storeLIDPNMappings = async (mappings) => {
    const accepted = mappings.filter(({ lid, pn }) => {
      const pair = pairOf(lid, pn);
      return !pair || people.accepts(pair);
    });
    learn(accepted.map(({ lid, pn }) => pairOf(lid, pn)));
    await store(accepted);
  };
}

/**
 * Learns pairs from copies of the account's own messages. Their plaintext names the recipient, perhaps by number where the stanza has
 * the LID, and Baileys drops that. It decrypts and reports one message after another, so the next report belongs to the last plaintext.
 */
function followCopies(
  socket: WASocket,
  me: () => ReturnType<typeof accountOf> | undefined,
  learn: (pairs: readonly (Pair | undefined)[]) => void,
): void {
  const { signalRepository } = socket;
  const decrypt = signalRepository.decryptMessage.bind(signalRepository);
  let destination: string | undefined;
  signalRepository.decryptMessage = async (options) => {
    destination = undefined;
    const plaintext = await decrypt(options);
    const own = me();
    const user = jidDecode(options.jid)?.user;
    if (own && [own.id, own.lid].some((id) => id !== undefined && userOf(id) === user))
      destination = destinationIn(plaintext);
    return plaintext;
  };
  onMessages(socket, ([message]) => {
    const pair = message && copyPair(message, destination);
    destination = undefined;
    if (!message || !pair) return;
    learn([pair]);
    message.key.remoteJidAlt ||= message.key.remoteJid?.endsWith("@lid") ? jidOf(pair.number) : pair.lid;
  });
}

const copyPair = ({ key }: WAMessage, destination: string | undefined): Pair | undefined =>
  key.fromMe ? pairOf(key.remoteJid, destination) : undefined;

/** Returns the recipient that a plaintext names. It ends with 1 to 16 bytes of padding, each of which is their count. */
function destinationIn(plaintext: Uint8Array): string | undefined {
  try {
    const content = proto.Message.decode(plaintext.subarray(0, plaintext.length - (plaintext.at(-1) ?? 0)));
    return content.deviceSentMessage?.destinationJid ?? undefined;
  } catch {
    return undefined;
  }
}
