/** The parts of WhatsApp Web that send, and that follow how far messages have come. */
import { saveMessage } from "./login.js";
import { Model, MsgKey, Wid } from "./models.js";

const ack = { failed: -1, clock: 0, sent: 1, received: 2 };

/** A message of a chat. */
export class Message extends Model {
  canReply = () => true;
  unsafe = () => this;
  msgContextInfo = () => ({ quotedMsg: this.serialize(), quotedStanzaID: this.id.id, quotedParticipant: this.author ?? this.from });

  /** Sets the acknowledgement unless the message is further already. */
  updateAck(value) {
    if (value > this.ack || value === ack.failed) this.set("ack", value);
  }
}

/** whatsapp-web.js and its users may replace functions of modules, so they are looked up for each call. */
const encryptAndSend = (record) => window.require("WAWebSendMsgJob").encryptAndSendMsg(record);

/** Sends what the page is told to, over `ask`, which rejects if the link is lost before the server answers. */
export class Sender {
  #parts;
  /** Own messages as they are stored, by WhatsApp's id. */
  #stored = new Map();
  /** Members who have got a group's message, by acknowledgement and message. */
  #reached = new Map();

  constructor(parts) {
    this.#parts = parts;
  }

  /** Knows an own message that an earlier document has stored. */
  know(data) {
    if (data.isSent) this.#stored.set(data.id, data);
  }

  /** Sends the messages of earlier documents that were not acknowledged. */
  sendPending() {
    for (const { key } of this.#stored.values()) {
      const message = this.#parts.Msg.get(key);
      if (message?.ack === ack.clock) void this.#send(message);
    }
  }

  /** Applies a receipt that the server has for a message, and stores that before it resolves. */
  async takeReceipt({ id, ack: value, participant }) {
    const data = this.#stored.get(id);
    const message = data && this.#parts.Msg.get(data.key);
    if (!message) return;
    if (participant) {
      this.batcher.acceptOtherReceipt({ ack: value, ts: 0, receiverId: new Wid(participant), msgKeys: [data.key] });
      const chat = this.#parts.Chat.get(message.to);
      const others = (chat?.groupMetadata.participants.getModelsArray().length ?? 2) - 1;
      const reached = this.#reached.get(`${value} ${id}`) ?? new Set();
      this.#reached.set(`${value} ${id}`, reached.add(participant));
      if (reached.size < others) return;
    }
    await this.#progress(message, value);
  }

  /** Takes the receipts of a group's members one by one; whatsapp-web.js does not look at them. */
  batcher = { acceptOtherReceipt() {} };

  modules() {
    const { Chat, ask, notify, people } = this.#parts;
    return {
      WAWebSendMsgChatAction: {
        addAndSendMsgToChat: (_chat, data) => this.#addAndSend(data),
        resendMsgToChat: async (_chat, message) => this.#send(await message),
      },
      WAWebSendMsgJob: { encryptAndSendMsg: ({ message }) => ask({ type: "send", message }) },
      WAWebSendReactionMsgAction: { sendReactionToMsg: (message, text) => this.#react(message, text) },
      WAWebAddonReactionTableMode: { reactionTableMode: { async bulkUpsert() {} } },
      WAWebMessageReceiptBatcher: { receiptBatcher: this.batcher },
      WAWebFindChatAction: { findOrCreateLatestChat: async (wid) => ({ chat: await Chat.findOrCreate(wid) }) },
      WAWebChatGetters: { getIsNewsletter: () => false, getIsBroadcast: () => false },
      WAWebGetEphemeralFieldsMsgActionsUtils: { getEphemeralFields: () => ({}) },
      WAWebMsgReply: { canReplyMsg: (message) => message.canReply() },
      WAWebLinkPreviewChatAction: {
        async getLinkPreview(link) {
          const title = await ask({ type: "preview", url: link.href });
          return { data: { title, canonicalUrl: link.href } };
        },
      },
      WAWebStreamModel: { Stream: { markAvailable() {}, markUnavailable() {} } },
      WAWebUpdateUnreadChatAction: { sendSeen: async ({ chat }) => notify({ type: "seen", chat: String(chat.id) }) },
      WAWebChatStateBridge: {
        sendChatStateComposing: async (wid) => notify({ type: "typing", chat: String(wid), isTyping: true }),
        sendChatStatePaused: async (wid) => notify({ type: "typing", chat: String(wid), isTyping: false }),
      },
      WAWebQueryExistsJob: {
        async queryWidExists(wid) {
          const found = await ask({ type: "exists", id: String(wid) });
          if (!found) return null;
          people.learn(found.lid, found.number);
          return { wid: new Wid(wid.isLid() ? found.lid : found.number) };
        },
      },
    };
  }

  /** Returns a promise of the message once it is stored, and one of the server's answer, which never rejects. */
  #addAndSend(data) {
    const stored = this.#add(data);
    const sent = stored.then((message) => this.#send(message));
    sent.catch(() => {});
    return [stored, sent];
  }

  async #add({ id, ...attributes }) {
    const { Msg } = this.#parts;
    const [message] = Msg.add(new Message({ ...attributes, id }));
    const { body, from, to, t, author, quotedMsg, quotedStanzaID, mentionedJidList, title } = message;
    const { type, mimetype, filename, caption, directPath, waveform } = message;
    const data = {
      ...{ isSent: true, key: id._serialized, id: id.id, fromMe: true, chat: String(to), from: String(from) },
      ...{ to: String(to), author: author && String(author), body, t, ack: ack.clock, title },
      ...{ participant: id.participant && String(id.participant) },
      ...(quotedMsg && { quoted: { id: quotedStanzaID, body: quotedMsg.body } }),
      mentions: (mentionedJidList ?? []).map(String),
      ...(directPath && { media: { type, mimetype, filename, caption, directPath, bars: waveform?.length ?? 0 } }),
    };
    this.#stored.set(id.id, data);
    await saveMessage(data);
    return message;
  }

  async #send(message) {
    const data = this.#stored.get(message.id.id);
    message.isSendFailure = false;
    try {
      const answer = await encryptAndSend({ data: message, message: data });
      if (answer.error === undefined) {
        await this.#progress(message, ack.sent);
        return { messageSendResult: "OK", t: answer.t };
      }
      message.isSendFailure = true;
      await this.#progress(message, ack.failed);
      return { messageSendResult: "ERROR_UNKNOWN" };
    } catch {
      message.isSendFailure = true;
      return { messageSendResult: "ERROR_NETWORK" };
    }
  }

  async #progress(message, value) {
    const data = this.#stored.get(message.id.id);
    message.updateAck(value);
    if (value <= data.ack && value !== ack.failed) return;
    data.ack = value;
    await saveMessage(data);
  }

  async #react(message, text) {
    const { me } = this.#parts;
    const to = message.id.remote;
    const participant = to.isGroup() ? me() : undefined;
    const id = new MsgKey({ from: me(), to, id: await MsgKey.newId(), participant, selfDir: "out" });
    const reaction = { text, target: { id: message.id.id, fromMe: message.id.fromMe } };
    this.showReaction({ id, parent: message.id, text, sender: me(), t: Math.floor(Date.now() / 1_000) });
    const sent = { id: id.id, fromMe: true, chat: String(to), from: String(me()), to: String(to), body: "", reaction };
    const { error } = await encryptAndSend({ data: { id }, message: sent });
    if (error !== undefined) throw new Error("Reaction send error");
  }

  /** The reactions to messages, by the message's key and the person. */
  #reactions = new Map();

  reactions = {
    find: async (key) => {
      const senders = [...(this.#reactions.get(key)?.values() ?? [])];
      return { reactions: { length: senders.length, serialize: () => [{ id: key, senders }] } };
    },
  };

  /** Shows a reaction at its message, without a report. */
  keepReaction({ id, parent, text, sender, t }) {
    const senders = this.#reactions.get(String(parent)) ?? new Map();
    this.#reactions.set(String(parent), senders);
    const shown = { msgKey: String(id), parentMsgKey: String(parent), senderUserJid: String(sender) };
    if (text === "") senders.delete(String(sender));
    else senders.set(String(sender), { ...shown, reactionText: text, timestamp: t * 1_000 });
    const message = this.#parts.Msg.get(parent);
    if (message) message.hasReaction = senders.size > 0;
  }

  /** Stores a reaction, which whatsapp-web.js reports. */
  showReaction({ id, parent, text, sender, t }) {
    this.keepReaction({ id, parent, text, sender, t });
    const data = { id, reactionParentKey: parent, reactionText: text, reactionTimestamp: t * 1_000, from: sender };
    void window.require("WAWebAddonReactionTableMode").reactionTableMode.bulkUpsert([{ ...data, read: true, ack: 1 }]);
  }
}
