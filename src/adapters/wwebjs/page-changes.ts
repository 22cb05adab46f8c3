/**
 * Functions that find changes of messages which the library does not hear, in WhatsApp Web's page. As those in page-script.ts, each may use
 * only its arguments and the page's `window`.
 */

interface PageMessage {
  readonly id: { readonly _serialized: string };
  readonly type: string;
  readonly hasReaction?: boolean;
  /** Send time (Unix s). */
  readonly t?: number;
  readonly latestEditSenderTimestampMs?: number | null;
}

/** A reaction as the page stores it. */
interface StoredReaction {
  readonly id: object;
  readonly reactionParentKey: object;
  readonly reactionText: string;
  /** Unix ms. */
  readonly reactionTimestamp: number;
  readonly author?: { readonly _serialized: string };
  readonly from: { readonly _serialized: string };
}

/** A reaction as the page shows it. */
interface ShownReaction {
  readonly msgKey: object | string;
  readonly parentMsgKey: object | string;
  readonly senderUserJid: string;
  readonly reactionText: string;
  /** Unix ms. */
  readonly timestamp: number;
}

interface ReactionTable {
  bulkUpsert(reactions: readonly StoredReaction[]): Promise<void>;
}

interface Modules {
  WAWebCollections: {
    Msg: {
      getModelsArray?(): PageMessage[];
      on(name: string, handler: (message: PageMessage) => void): void;
    };
    Reactions?: {
      find(
        messageId: string,
      ): Promise<{ readonly reactions: { serialize(): { readonly senders: readonly ShownReaction[] }[] } } | undefined>;
    };
  };
  WAWebAddonReactionTableMode: { reactionTableMode: ReactionTable };
}

declare const window: {
  require<Name extends keyof Modules>(name: Name): Modules[Name];
  WWebJS?: { getMessageModel(message: PageMessage): object };
  /** Changes that came before the library listens; undefined afterwards. */
  sessiondDeleted?: Set<PageMessage> | undefined;
  sessiondReactions?: StoredReaction[] | undefined;
};

/** A change, by the kind that the engine reports it as. */
export type EarlyChange = ["messageReaction" | "messageEdited" | "messageRevoked", object];

/** Holds deletions and reactions until the library listens. Does nothing where the page has no modules for them. */
export function holdEarlyChanges(): void {
  try {
    const { Msg } = window.require("WAWebCollections");
    window.sessiondDeleted = new Set();
    Msg.on("change:type", (message) => {
      if (message.type === "revoked") window.sessiondDeleted?.add(message);
    });
    const { reactionTableMode } = window.require("WAWebAddonReactionTableMode");
    const { bulkUpsert } = reactionTableMode;
    window.sessiondReactions = [];
    reactionTableMode.bulkUpsert = (reactions) => {
      window.sessiondReactions?.push(...reactions);
      return bulkUpsert.call(reactionTableMode, reactions);
    };
  } catch {
    // The page goes on without.
  }
}

/**
 * Returns the changes made at `sinceS` (Unix s) or later that the library has not heard: the held ones, and those that the page shows on
 * the messages in its memory, of reactions at most `limit`. Null: all are history.
 */
export async function takeEarlyChanges({
  sinceS,
  limit,
}: {
  sinceS: number | null;
  limit: number;
}): Promise<EarlyChange[]> {
  const deleted: Iterable<PageMessage> = window.sessiondDeleted ?? [];
  const held = window.sessiondReactions ?? [];
  window.sessiondDeleted = undefined;
  window.sessiondReactions = undefined;
  const { WWebJS } = window;
  if (!WWebJS || sinceS === null) return [];
  const sinceMs = Math.max(1, sinceS * 1_000);
  const { Msg, Reactions } = window.require("WAWebCollections");
  const known = Msg.getModelsArray?.() ?? [];
  const edited = known.filter((message) => (message.latestEditSenderTimestampMs ?? 0) >= sinceMs);
  const recent = known.filter((message) => message.type === "revoked" && (message.t ?? 0) >= sinceS);
  const shown: ShownReaction[] = [];
  for (const message of known.filter(({ hasReaction }) => hasReaction).slice(-limit)) {
    const found = await Reactions?.find(message.id._serialized).catch(() => undefined);
    shown.push(...(found?.reactions.serialize() ?? []).flatMap(({ senders }) => senders));
  }
  const reacted = [
    ...held.map((one) => ({
      ...{ id: one.id, msgId: one.reactionParentKey, senderId: (one.author ?? one.from)._serialized },
      ...{ reaction: one.reactionText, atMs: one.reactionTimestamp },
    })),
    ...shown.map((one) => ({
      ...{ id: one.msgKey, msgId: one.parentMsgKey, senderId: one.senderUserJid },
      ...{ reaction: one.reactionText, atMs: one.timestamp },
    })),
  ];
  const changes: EarlyChange[] = [
    ...edited.map((message): EarlyChange => ["messageEdited", WWebJS.getMessageModel(message)]),
    ...[...new Set([...recent, ...deleted])].map((one): EarlyChange => ["messageRevoked", WWebJS.getMessageModel(one)]),
    ...reacted
      .filter(({ atMs }) => atMs >= sinceMs)
      .map(({ atMs, ...one }): EarlyChange => ["messageReaction", { ...one, timestamp: atMs / 1_000 }]),
  ];
  // The objects' methods cannot leave the page.
  return JSON.parse(JSON.stringify(changes));
}
