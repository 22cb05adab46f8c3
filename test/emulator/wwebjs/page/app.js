/** WhatsApp Web as far as whatsapp-web.js uses it: the emulator's https://web.whatsapp.com/. */
import { openLink } from "./link.js";
import { forgetLogin, loadLogin, loadMessages, saveLogin, saveMessage } from "./login.js";
import { mediaModules, receivedFile, uploadFile } from "./media.js";
import { Collection, Emitter, Model, MsgKey, Wid } from "./models.js";
import { Chats, People } from "./people.js";
import { Message, Sender } from "./sending.js";

const Socket = new Model({ state: "OPENING", hasSynced: false });
const Conn = new Model({ ref: undefined, pushname: undefined, platform: undefined, wid: undefined, lid: undefined });
const Cmd = new Emitter();
const Msg = new Collection();
const people = new People();
const ask = (question) => link.ask(question);
const Chat = new Chats(people, ask);
const sender = new Sender({ Msg, Chat, people, ask, notify: (message) => link.send(message), me: () => Conn.wid });
let progress = 0;
let login;
/** Remaining codes of this round, and whether the first has been shown. */
let round = { refs: [], lifeMs: null, shown: false };

const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
const modules = {
  WAWebSocketModel: { Socket },
  WAWebConnModel: { Conn },
  WAWebCmd: { Cmd },
  WAWebOfflineHandler: { OfflineMessageHandler: { getOfflineDeliveryProgress: () => progress } },
  WAWebCollections: { Msg, Chat, Reactions: sender.reactions },
  WAWebCallCollection: undefined,
  WAWebSyncGatingUtils: {},
  WAWebMiscBrowserUtils: { info: () => ({ os: "Linux", name: "Chrome" }) },
  WAWebCompanionRegClientUtils: { DEVICE_PLATFORM: "1" },
  WAWebAdvSignatureApi: {},
  WAWebUserPrefsInfoStore: {
    waNoiseInfo: { get: async () => ({ staticKeyPair: { pubKey: bytes(login.staticKey) } }) },
  },
  WAWebSignalStoreApi: {
    waSignalStore: { getRegistrationInfo: async () => ({ identityKeyPair: { pubKey: bytes(login.identityKey) } }) },
  },
  WAWebUserPrefsMultiDevice: {
    getADVSecretKey() {
      startRound();
      return login.advSecret;
    },
  },
  WAWebUserPrefsMeUser: {
    getMaybeMePnUser: () => Conn.wid,
    getMaybeMeLidUser: () => Conn.lid,
  },
  WAWebApiContact: {
    getPhoneNumber: people.numberOf,
    getCurrentLid: people.lidOf,
  },
  WABase64: { encodeB64: (data) => btoa(String.fromCharCode(...data)) },
  WALinkify: { findLinks: linksIn, findLink: (text) => linksIn(text)[0] },
  WAWebAltDeviceLinkingApi: {
    setPairingType() {},
    async initializeAltDeviceLinking() {},
    async initializeQRLinking() {},
    startAltLinkingFlow: (phone) => link.ask({ type: "link_code", phone }),
  },
  WAWebLaunchSocketUtils: { refreshQR: () => Cmd.refreshQR() },
  WAWebWidFactory: { createWid: (text) => new Wid(text), asUserWidOrThrow: (wid) => wid },
  WAWebMsgKey: MsgKey,
  WAWebNonMessageDataRequestPlaceholderMessageResendUtils: { handlePlaceholderMsgsSeen() {} },
  ...sender.modules(),
  ...mediaModules(uploadFile),
};
Msg.getMessagesById = async (ids) => ({ messages: ids.flatMap((id) => Msg.get(id) ?? []) });

window.require = (name) => {
  if (!(name in modules)) throw new Error(`Requiring unknown module "${name}"`);
  return modules[name];
};

Cmd.refreshQR = () => link.send({ type: "refs" });
Socket.takeover = () => link.reopen();
Socket.logout = async () => {
  await link.ask({ type: "logout" });
  void leave();
};

/** Starts a round of codes. The life of a code begins when it is shown. */
function startRound() {
  if (round.shown || round.lifeMs === null) return;
  round.shown = true;
  setTimeout(nextRef, round.lifeMs);
}

function nextRef() {
  if (!Socket.state.startsWith("UNPAIRED")) return;
  const ref = round.refs.shift();
  if (!ref) return Socket.set("state", "UNPAIRED_IDLE");
  Conn.set("ref", ref);
  setTimeout(nextRef, round.lifeMs);
}

async function leave() {
  await forgetLogin();
  Cmd.trigger("logout");
  setTimeout(() => location.assign("/?post_logout=1"), 50);
}

/** Returns the links in a text. */
function linksIn(text) {
  const found = (text ?? "").match(/https?:\/\/\S+/g) ?? [];
  return found.map((href) => ({ href, suspiciousCharacters: new Set() }));
}

/** Adds a message to the collection; decrypts the one that is there if `data` has what it lacks. */
function addMessage(data, isNewMsg) {
  if (isNewMsg && data.pair) people.learn(...data.pair);
  if (data.change) return applyChange(data, isNewMsg);
  sender.know(data);
  const author = data.author && new Wid(data.author);
  const participant = data.participant ? new Wid(data.participant) : author;
  const id = new MsgKey({ fromMe: data.fromMe, remote: new Wid(data.chat), id: data.id, participant });
  const { body, t, isUndecrypted, file } = data;
  const known = Msg.get(id);
  if (known) {
    if (isUndecrypted || known.type !== "ciphertext") return;
    known.body = body;
    return known.set("type", "chat");
  }
  const [from, to] = [data.from, data.to].map((text) => new Wid(text));
  const type = isUndecrypted ? "ciphertext" : "chat";
  const { ack = 1 } = data;
  const content = file ? receivedFile(file, body) : { body, type };
  Msg.add(new Message({ id, ...content, t, from, to, author, self: "in", ack, ...(isNewMsg && { isNewMsg }) }));
}

/** Shows a reaction to a message, its new text, or its deletion. */
function applyChange({ change: { kind, target, text }, id, fromMe, chat, from, author, t }, isNew) {
  const remote = new Wid(chat);
  const participant = author && new Wid(author);
  const key = new MsgKey({ fromMe, remote, id, participant });
  const known = Msg.getModelsArray().find((message) => message.id.id === target.id);
  if (kind === "reaction") {
    const parent = known?.id ?? new MsgKey({ remote, ...target });
    const reaction = { id: key, parent, text, sender: participant ?? new Wid(from), t };
    if (isNew) sender.showReaction(reaction);
    else sender.keepReaction(reaction);
    return;
  }
  if (!known) return;
  if (kind === "edit") {
    Object.assign(known, { latestEditMsgKey: key, latestEditSenderTimestampMs: t * 1_000 });
    known.set("body", text);
  } else {
    Object.assign(known, { body: "", subtype: "sender", protocolMessageKey: known.id });
    known.set("type", "revoked");
  }
}

/** Everything that is done with messages, in its order. */
let messagesDone = Promise.resolve();
let hasEarlierMessages = false;

/** Adds the messages of earlier documents, once. Afterwards, all messages in the store were added when they came. */
function addEarlierMessages() {
  messagesDone = messagesDone.then(async () => {
    if (hasEarlierMessages) return;
    hasEarlierMessages = true;
    for (const message of await loadMessages()) addMessage(message, false);
  });
}

/** Stores a message, then confirms it, then shows it. After a kill, the client has to look for it in the store. */
function receive(message) {
  messagesDone = messagesDone.then(async () => {
    await saveMessage(message);
    try {
      link.send({ type: "received", id: message.id });
    } catch {
      // The link was lost. The message is sent again.
    }
    addMessage(message, true);
  });
}

/** Stores how far a message has come, then confirms that. */
function takeReceipt(receipt) {
  messagesDone = messagesDone.then(async () => {
    await sender.takeReceipt(receipt);
    try {
      link.send({ type: "receipt_taken", key: receipt.key });
    } catch {
      // The link was lost. The receipt comes again.
    }
  });
}

/** Synchronises again at the moment when the client's utilities come into the page. */
function syncAgainOnEntry() {
  const set = (value) => {
    Object.defineProperty(window, "WWebJS", { value, writable: true });
    handlers.sync_again();
  };
  Object.defineProperty(window, "WWebJS", { set, configurable: true });
}

async function logIn({ me, lid, name, syncMs, syncsTwice, offline, chatsByLid, sendsPending, receipts }) {
  if (syncsTwice) syncAgainOnEntry();
  Conn.set("pushname", name);
  Conn.set("platform", "android");
  Conn.set("wid", new Wid(me));
  Conn.set("lid", new Wid(lid));
  Socket.set("state", "CONNECTED");
  addEarlierMessages();
  Chat.byLid = chatsByLid;
  people.learn(lid, me);
  for (const message of offline) receive(message);
  for (const receipt of receipts) takeReceipt(receipt);
  await messagesDone;
  if (sendsPending) sender.sendPending();
  for (progress of [0, 50, 100]) {
    Cmd.trigger("offline_progress_update_from_bridge");
    await new Promise((resolve) => setTimeout(resolve, syncMs / 3));
  }
  Socket.set("hasSynced", true);
  beReady();
}

const beReady = () => {
  window.Debug ??= { VERSION: "2.3000.1017054665" };
};

const handlers = {
  refs({ refs, lifeMs }) {
    const [first, ...rest] = refs;
    round = { refs: rest, lifeMs, shown: Socket.state === "UNPAIRED_IDLE" };
    if (round.shown && lifeMs !== null) setTimeout(nextRef, lifeMs);
    Conn.set("ref", first);
    Socket.set("state", "UNPAIRED");
  },
  async paired({ device }) {
    Socket.set("state", "PAIRING");
    Conn.set("ref", undefined);
    login = await saveLogin({ ...login, device });
    link.send({ type: "stored" });
    Socket.set("state", "OPENING");
  },
  login: logIn,
  message: ({ message }) => receive(message),
  receipt: ({ receipt }) => takeReceipt(receipt),
  unknown_device: async () => {
    await forgetLogin();
    login = await loadLogin();
    link.reopen();
  },
  unlinked: leave,
  state: ({ state }) => Socket.set("state", state),
  push_name: ({ name }) => Conn.set("pushname", name),
  sync_again() {
    Socket.set("hasSynced", false);
    Socket.set("hasSynced", true);
  },
  spin() {
    for (;;) if (Date.now() < 0) break;
  },
  eat_memory() {
    for (const eaten = []; ; ) eaten.push(new Array(1e5).fill(Math.random()));
  },
  push_state: () => history.pushState({}, "", "/?somewhere"),
  frame: () => document.body.append(document.createElement("iframe")),
  reload: () => location.reload(),
  turn_wrong: () => location.assign("/wrong"),
};

Socket.on("change:state", (_, state) => {
  document.getElementById("state").textContent = state;
});
Conn.on("change:ref", (_, ref) => {
  const code = document.getElementById("code");
  code.hidden = !ref;
  if (ref) code.src = `/code.png?text=${encodeURIComponent(codeOf(ref))}`;
});
const codeOf = (ref) => [ref, login.staticKey, login.identityKey, login.advSecret, "1"].join();

login = await loadLogin();
const early = new URL("/early", location.href);
const link = openLink({
  onOpen: () => link.send({ type: "hello", ...login }),
  onDown: () => {
    if (!Socket.state.startsWith("UNPAIRED")) Socket.set("state", "OPENING");
  },
  onMessage: (message) => handlers[message.type](message),
});
// With an early sync, the page cannot be inspected before it is complete.
if ((await (await fetch(early)).text()) !== "yes") beReady();
