import { type BinaryNode, jidDecode, proto, type WAMessage, type WASocket } from "@whiskeysockets/baileys";
import { isLid, type Pair, pairOf } from "../engine/chat-id.ts";
import { type PairStore, People } from "../engine/people.ts";
import type { AuthStore } from "./auth-state.ts";
import { accountOf } from "./message.ts";
import { alignOwnMessage, jidOf, pairsIn, pairsInReports } from "./name-sources.ts";
import { onMessages } from "./socket.ts";

const userOf = (id: string): string => id.slice(0, id.indexOf("@"));

/**
 * Baileys' own pairs in the login (its lib/Signal/lid-mapping.js): the LID's user under the number's, the number's under the LID's
 * with a suffix. A pair is part of the store at once, so it is on disk before a message that comes after it is acknowledged.
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

/** The people of a login, the account among them. */
export function peopleOf(auth: AuthStore): People {
  const { creds } = auth.state;
  return new People(storedIn(auth), () => creds.me && accountOf(creds.me));
}

/**
 * Learns who is who from all that WhatsApp sends, a message's own ids before the message itself. To be called after the engine's
 * own listener for messages is set, which is told second.
 */
export function followNames(socket: WASocket, auth: AuthStore, people: People): void {
  const { ws, ev, signalRepository } = socket;
  const me = () => auth.state.creds.me && accountOf(auth.state.creds.me);
  const learn = (pairs: readonly (Pair | undefined)[]): void => {
    // What cannot be stored has ended the engine.
    people.learn(pairs).catch(() => {});
  };
  for (const tag of ["message", "receipt", "notification", "call"]) {
    ws.prependListener(`CB:${tag}`, (stanza: BinaryNode) => {
      const own = me();
      if (own && tag === "message") alignOwnMessage(stanza, own);
      learn(pairsIn(stanza));
    });
  }
  ev.process((reports) => learn(pairsInReports(reports)));
  learnWhatBaileysStores(signalRepository, people, learn);
  followCopies(socket, me, learn);
}

/** Baileys stores pairs from app state, history and its own queries; mixed ones are kept from it. */
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
 * A copy of the account's own message says in its text whom it went to, perhaps by the number where its envelope has the LID; Baileys
 * drops that. It decrypts and reports one message after another, so the next one reported is the one last decrypted.
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

/** The plaintext ends with 1 to 16 bytes, each of them their number. */
function destinationIn(plaintext: Uint8Array): string | undefined {
  try {
    const content = proto.Message.decode(plaintext.subarray(0, plaintext.length - (plaintext.at(-1) ?? 0)));
    return content.deviceSentMessage?.destinationJid ?? undefined;
  } catch {
    return undefined;
  }
}
