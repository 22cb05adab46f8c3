/**
 * Functions that send, and run in WhatsApp Web's page. As those in page-script.ts, each may use only its arguments and the page's `window`.
 * The module names and shapes that whatsapp-web.js does not use are those of WhatsApp Web itself.
 */

interface Wid {
  readonly _serialized: string;
  isLid(): boolean;
  isGroup?(): boolean;
  isStatus?(): boolean;
}

interface MsgKey {
  readonly fromMe: boolean;
  readonly id: string;
  readonly remote: Wid | string;
  readonly participant?: Wid | string | null;
  readonly _serialized: string;
}

interface PageMessage {
  readonly id: MsgKey;
  /** Send time (Unix s). */
  readonly t?: number;
  readonly ack?: number;
  readonly isSendFailure?: boolean;
  on(name: string, handler: () => void): void;
  off(name: string, handler: () => void): void;
}

interface PageChat {
  readonly id: Wid;
  readonly groupMetadata?: {
    readonly isLidAddressingMode?: boolean;
    readonly participants?: { getModelsArray(): { readonly id: Wid }[] };
  };
}

interface Modules {
  WAWebCollections: {
    Msg: {
      get(id: string): PageMessage | undefined;
      getModelsArray?(): PageMessage[];
      /** Also finds messages that the page has on disk only. */
      getMessagesById?(ids: readonly string[]): Promise<{ readonly messages?: readonly PageMessage[] } | undefined>;
    };
    Chat: { get(wid: Wid): PageChat | undefined };
  };
  WAWebWidFactory: { createWid(text: string): Wid; asUserWidOrThrow(wid: Wid): Wid };
  WAWebUserPrefsMeUser: Record<"getMaybeMePnUser" | "getMaybeMeLidUser", () => Wid | undefined>;
  WAWebMsgKey: {
    new (parts: object): MsgKey;
    newId(): Promise<string> | string;
  };
  WAWebSendMsgChatAction: { resendMsgToChat?(chat: PageChat, message: Promise<PageMessage>): Promise<unknown> };
  WAWebSendReactionMsgAction: { sendReactionToMsg(message: PageMessage, text: string): Promise<void> };
}

declare const window: {
  require<Name extends keyof Modules>(name: Name): Modules[Name];
  WWebJS?: {
    getChat(id: string, options: { getAsModel: false }): Promise<PageChat | null | undefined>;
    sendMessage(chat: PageChat, text: string, options: object): Promise<unknown>;
    mediaInfoToFile(media: { readonly file?: File }): File;
    sendChatstate(state: "typing" | "stop", chatId: string): Promise<boolean>;
    injectToFunction(target: { module: string; function: string }, callback: InjectedCallback): void;
  };
  sessiondReport(kind: "ack" | "refusal", value: unknown): Promise<void>;
  /** Messages that this document is sending, by WhatsApp's id. */
  sessiondSending?: Map<string, Promise<PageOutcome>>;
  /** Parts of files that are to be sent, by WhatsApp's id of the message. */
  sessiondFiles?: Map<string, Blob[]>;
  sessiondFollows?: boolean;
};

type InjectedCallback = (module: unknown, original: (...args: unknown[]) => unknown, ...args: unknown[]) => unknown;

/** A message to be sent. */
export interface PageRequest {
  readonly id: string;
  readonly chatId: string;
  readonly text: string;
  /** Id of the quoted message in the page. */
  readonly quotedId: string | undefined;
  /** Ids of the persons mentioned; "all" for everyone in a group. */
  readonly mentions: readonly string[];
  readonly linkPreview: boolean;
  /** Time that a message of an earlier document gets to be sent by the page itself. */
  readonly patienceMs: number;
  /** Time after which the caller asks again. */
  readonly waitMs: number;
  /** File that the page has got by `addToFile`; the text is its caption. */
  readonly file: PageFile | undefined;
}

/** A file to be sent. */
export interface PageFile {
  readonly name: string;
  readonly mimetype: string;
  readonly size: number;
  /** Options of the library for its kind. */
  readonly options: { readonly sendMediaAsDocument?: true; readonly sendAudioAsVoice?: true };
  /** Bars of a voice message, 0 to 100; empty to have the page make them. */
  readonly waveform: readonly number[];
}

/** A report of the page on a message, in a group perhaps of one member. */
export interface PageAck {
  readonly id: string;
  readonly ack: number;
  readonly participant?: string | undefined;
}

/** State of a message in the page. `isKnown`: the page had it already. `isFailed`: the page has given up, without an answer. */
export interface PageOutcome {
  readonly ack: number;
  readonly isKnown: boolean;
  readonly isFailed: boolean;
}

/**
 * Sends a message under its id, or goes on with the one that the page has under this id. Resolves when WhatsApp's server has answered, or
 * the page has given up; with null after `waitMs`, while the page goes on. Rejects if the page refuses the message.
 */
export async function sendMessage(request: PageRequest): Promise<PageOutcome | null> {
  const { id, chatId, text, quotedId, mentions, linkPreview, patienceMs, waitMs, file } = request;
  const { WWebJS } = window;
  if (!WWebJS) throw new Error("the page is not ready");
  const chat = await WWebJS.getChat(chatId, { getAsModel: false });
  if (!chat) throw new Error("the page has no such chat");
  const { Msg } = window.require("WAWebCollections");
  const prefs = window.require("WAWebUserPrefsMeUser");
  const isGroup = chat.id.isGroup?.() === true;
  const isByLid = isGroup ? chat.groupMetadata?.isLidAddressingMode === true : chat.id.isLid();
  const from = (isByLid ? prefs.getMaybeMeLidUser() : undefined) ?? prefs.getMaybeMePnUser();
  const isAuthorNamed = isGroup || chat.id.isStatus?.() === true;
  const participant = isAuthorNamed && from ? window.require("WAWebWidFactory").asUserWidOrThrow(from) : undefined;
  const Key = window.require("WAWebMsgKey");
  const key = new Key({ from, to: chat.id, id, participant, selfDir: "out" });
  const find = async (): Promise<PageMessage | undefined> =>
    Msg.get(key._serialized) ??
    Msg.getModelsArray?.().find((one) => one.id.fromMe && one.id.id === id) ??
    (await Msg.getMessagesById?.([key._serialized]))?.messages?.[0];

  const everyone =
    isGroup && mentions.includes("all") ? (chat.groupMetadata?.participants?.getModelsArray() ?? []) : [];
  const people = [...mentions.filter((one) => one !== "all"), ...everyone.map((one) => one.id._serialized)];
  // The last of the library's options replaces the id that it makes.
  const options = (withPreview: boolean) => ({
    ...(quotedId !== undefined && { quotedMessageId: quotedId }),
    ...(people.length > 0 && { mentionedJidList: [...new Set(people)] }),
    ...(withPreview && { linkPreview: true }),
    waitUntilMsgSent: true,
    ...(file && { ...file.options, media: mediaOf(file), caption: text, isCaptionByUser: text !== "" }),
    extraOptions: { id: key, ...(file?.waveform.length && { waveform: new Uint8Array(file.waveform) }) },
  });
  const mediaOf = ({ name, mimetype, size }: PageFile) => {
    const content = new File(window.sessiondFiles?.get(id) ?? [], name, { type: mimetype });
    if (content.size !== size) throw new Error("the page has no such file");
    return { file: content, mimetype, filename: name };
  };
  const sendNew = async () => {
    try {
      await WWebJS.sendMessage(chat, file ? "" : text, options(linkPreview));
    } catch (error) {
      if (!linkPreview || (await find())) throw error;
      await WWebJS.sendMessage(chat, text, options(false));
    }
  };
  const sendAgain = async (message: PageMessage) => {
    if (!message.isSendFailure) {
      const { promise, resolve } = Promise.withResolvers<void>();
      message.on("change:ack", resolve);
      setTimeout(resolve, patienceMs);
      await promise;
      message.off("change:ack", resolve);
    }
    if ((message.ack ?? 0) !== 0) return;
    const { resendMsgToChat } = window.require("WAWebSendMsgChatAction");
    await (resendMsgToChat ? resendMsgToChat(chat, Promise.resolve(message)) : sendNew());
  };
  const send = async (): Promise<PageOutcome> => {
    const known = await find();
    if (!known) await sendNew();
    else if ((known.ack ?? 0) === 0) await sendAgain(known);
    const message = known ?? (await find());
    const ack = message?.ack ?? 0;
    return { ack, isKnown: known !== undefined, isFailed: ack === 0 && message?.isSendFailure === true };
  };

  window.sessiondSending ??= new Map();
  const underWay = window.sessiondSending;
  const sending =
    underWay.get(id) ??
    send().finally(() => {
      underWay.delete(id);
      window.sessiondFiles?.delete(id);
    });
  underWay.set(id, sending);
  return Promise.race([sending, new Promise<null>((resolve) => setTimeout(resolve, waitMs, null))]);
}

/** Adds bytes, as base64, to the file of a message; `at` is their place. Lets the library take files that are in the page. */
export function addToFile(request: { id: string; at: number; base64: string }): void {
  const { WWebJS } = window;
  if (!WWebJS) throw new Error("the page is not ready");
  const { id, at, base64 } = request;
  if (!window.sessiondFiles) {
    window.sessiondFiles = new Map();
    const { mediaInfoToFile } = WWebJS;
    WWebJS.mediaInfoToFile = (media) => media.file ?? mediaInfoToFile(media);
  }
  const parts = at === 0 ? [] : (window.sessiondFiles.get(id) ?? []);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  parts.push(new Blob([bytes]));
  window.sessiondFiles.set(id, parts);
}

/** Forgets the file of a message. */
export function dropFile(id: string): void {
  window.sessiondFiles?.delete(id);
}

/** Reacts to a message under an id. The page makes the id itself, synchronously, so the override is in nobody's way. */
export async function sendReaction(request: { id: string; messageId: string; text: string }): Promise<boolean> {
  const { Msg } = window.require("WAWebCollections");
  const { messageId } = request;
  const message = Msg.get(messageId) ?? (await Msg.getMessagesById?.([messageId]))?.messages?.[0];
  if (!message) return false;
  const Key = window.require("WAWebMsgKey");
  const { newId } = Key;
  Key.newId = () => {
    Key.newId = newId;
    return request.id;
  };
  try {
    await window.require("WAWebSendReactionMsgAction").sendReactionToMsg(message, request.text);
  } finally {
    Key.newId = newId;
  }
  return true;
}

/** Returns the key of a message in one of these chats; undefined if the page has none. */
export async function findMessage(request: {
  id: string;
  chats: readonly string[];
  fromMe: boolean | undefined;
  participants: readonly string[];
}): Promise<{ id: string; chat: string; fromMe: boolean; participant?: string; key: string } | undefined> {
  const { id, chats, fromMe, participants } = request;
  const { Msg } = window.require("WAWebCollections");
  const textOf = (wid: Wid | string) => (typeof wid === "string" ? wid : wid._serialized);
  const isIt = (one: PageMessage) =>
    one.id.id === id && chats.includes(textOf(one.id.remote)) && (fromMe ?? one.id.fromMe) === one.id.fromMe;
  const names = [true, false]
    .filter((mine) => fromMe === undefined || mine === fromMe)
    .flatMap((mine) => chats.map((chat) => `${mine}_${chat}_${id}`))
    .flatMap((name) => [name, ...participants.map((one) => `${name}_${one}`)]);
  const found =
    Msg.getModelsArray?.().find(isIt) ??
    names.map((name) => Msg.get(name)).find((one) => one !== undefined) ??
    (await Msg.getMessagesById?.(names))?.messages?.[0];
  if (!found) return undefined;
  const { participant } = found.id;
  return {
    id,
    chat: textOf(found.id.remote),
    fromMe: found.id.fromMe,
    ...(participant && { participant: textOf(participant) }),
    key: found.id._serialized,
  };
}

/** Returns the id under which the page has a chat; undefined if it has none and cannot make one. */
export async function chatIdIn(id: string): Promise<string | undefined> {
  if (!window.WWebJS) throw new Error("the page is not ready");
  const chat = await window.WWebJS.getChat(id, { getAsModel: false }).catch(() => undefined);
  return chat?.id._serialized;
}

/** Returns the ids of the persons in a chat, the account's own included; undefined if the page does not know them. */
export async function membersOf(id: string): Promise<string[] | undefined> {
  if (!window.WWebJS) throw new Error("the page is not ready");
  const chat = await window.WWebJS.getChat(id, { getAsModel: false });
  if (!chat) throw new Error("the page has no such chat");
  const prefs = window.require("WAWebUserPrefsMeUser");
  const me = [prefs.getMaybeMePnUser(), prefs.getMaybeMeLidUser()].flatMap((wid) => wid?._serialized ?? []);
  if (chat.id.isGroup?.() !== true) return [chat.id._serialized, ...me];
  const members = chat.groupMetadata?.participants?.getModelsArray() ?? [];
  return members.length === 0 ? undefined : [...members.map((one) => one.id._serialized), ...me];
}

/** Shows or hides in a chat that the account is typing. */
export async function setTyping(request: { chatId: string; isTyping: boolean }): Promise<void> {
  await window.WWebJS?.sendChatstate(request.isTyping ? "typing" : "stop", request.chatId);
}

/** Returns how far the latest own messages have come, as far as WhatsApp's server has them: id and acknowledgement. */
export function ownAcks(limit: number): [string, number][] {
  const messages = window.require("WAWebCollections").Msg.getModelsArray?.() ?? [];
  return messages
    .filter((one) => one.id.fromMe && (one.ack ?? 0) !== 0)
    .toSorted((a, b) => (a.t ?? 0) - (b.t ?? 0))
    .slice(-limit)
    .map((one) => [one.id.id, one.ack ?? 0]);
}

/**
 * Reports the receipts of groups' members, which the page only counts, and the errors with which WhatsApp refuses messages, which it only
 * logs. Once per document. Does nothing where the page has other modules.
 */
export function watchReceipts(): void {
  if (window.sessiondFollows) return;
  window.sessiondFollows = true;
  const receipts = { module: "WAWebMessageReceiptBatcher", function: "receiptBatcher.acceptOtherReceipt" };
  window.WWebJS?.injectToFunction(receipts, (module, original, ...args) => {
    const [{ ack, receiverId, msgKeys }] = args as [{ ack: number; receiverId: Wid; msgKeys: readonly string[] }];
    for (const key of msgKeys.filter((one) => one.includes("@g.us_"))) {
      void window.sessiondReport("ack", { id: key.split("_")[2], ack, participant: receiverId._serialized });
    }
    return original.apply(module, args);
  });
  const sends = { module: "WAWebSendMsgJob", function: "encryptAndSendMsg" };
  window.WWebJS?.injectToFunction(sends, (module, original, ...args) => {
    const [{ data }] = args as [{ data: PageMessage }];
    const answered = Promise.resolve(original.apply(module, args)) as Promise<{ error?: unknown } | undefined>;
    answered.then(
      (answer) => {
        const error = answer?.error ?? undefined;
        if (error !== undefined) void window.sessiondReport("refusal", { id: data.id.id, error: String(error) });
      },
      () => {},
    );
    return answered;
  });
}
