/** The real, unpatched Baileys with in-memory credentials: the client for testing the emulator. */
import {
  type AuthenticationCreds,
  type BaileysEventMap,
  type ConnectionState,
  initAuthCreds,
  makeWASocket,
  S_WHATSAPP_NET,
  type SignalDataTypeMap,
  type SignalKeyStore,
  type UserFacingSocketConfig,
  type WAMessage,
  type WASocket,
} from "@whiskeysockets/baileys";
import { pino } from "pino";

type Update = Partial<ConnectionState>;

const waitMs = 60_000;

/** One identity that can connect repeatedly. Baileys reconnects nothing by itself, not even after 515. */
export class BareClient {
  readonly creds: AuthenticationCreds = initAuthCreds();
  readonly keys: SignalKeyStore = memoryKeys();
  readonly #updates: Update[] = [];
  readonly #messages: WAMessage[] = [];
  readonly #histories: BaileysEventMap["messaging-history.set"][] = [];
  readonly #url: string;
  readonly #config: Partial<UserFacingSocketConfig>;
  readonly #waiting = new Set<() => void>();
  #socket: WASocket | undefined;

  constructor(url: string, config: Partial<UserFacingSocketConfig> = {}) {
    this.#url = url;
    this.#config = config;
  }

  /** Returns the current Baileys socket. */
  get socket(): WASocket {
    if (!this.#socket) throw new Error("connect() first");
    return this.#socket;
  }

  /** Opens a new Baileys socket with the current credentials. */
  connect(): this {
    const socket = makeWASocket({
      waWebSocketUrl: this.#url,
      auth: { creds: this.creds, keys: this.keys },
      logger: pino({ level: "silent" }),
      // Otherwise Baileys holds stored messages back for 20 s while it waits for a history that never comes.
      shouldSyncHistoryMessage: () => false,
      ...this.#config,
    });
    this.#socket = socket;
    socket.ev.on("creds.update", (update) => Object.assign(this.creds, update));
    socket.ev.on("connection.update", (update) => this.#add(this.#updates, [update]));
    socket.ev.on("messages.upsert", ({ messages }) => this.#add(this.#messages, messages));
    socket.ev.on("messaging-history.set", (history) => this.#add(this.#histories, [history]));
    return this;
  }

  /** Resolves with the next QR code. */
  async qr(): Promise<string> {
    const { qr = "" } = await this.#take(this.#updates, (update) => Boolean(update.qr), "a QR code");
    return qr;
  }

  /** Resolves when the connection is open. */
  async opened(): Promise<void> {
    await this.#take(this.#updates, (update) => update.connection === "open", "an open connection");
  }

  /** Resolves with the status code with which the connection was closed. */
  async closed(): Promise<number | undefined> {
    const { lastDisconnect } = await this.#take(this.#updates, (update) => update.connection === "close", "the close");
    return (lastDisconnect?.error as { output?: { statusCode?: number } } | undefined)?.output?.statusCode;
  }

  /** Resolves with the next message with content, received or sent by this account. */
  async message(): Promise<WAMessage> {
    return this.#take(this.#messages, (message) => Boolean(message.message), "a message");
  }

  /** Resolves with the next history sync. */
  async history(): Promise<BaileysEventMap["messaging-history.set"]> {
    return this.#take(this.#histories, () => true, "a history sync");
  }

  /** Resolves when the server has answered a ping, and thus after everything it sent before. */
  async settled(): Promise<void> {
    const attrs = { to: S_WHATSAPP_NET, type: "get", xmlns: "w:p" };
    await this.socket.query({ tag: "iq", attrs, content: [{ tag: "ping", attrs: {} }] }, waitMs);
  }

  /** Closes the socket, if one is open. */
  async stop(): Promise<void> {
    await this.#socket?.end(undefined);
  }

  #add<Item>(list: Item[], items: Item[]): void {
    list.push(...items);
    for (const look of this.#waiting) look();
  }

  async #take<Item>(list: Item[], matches: (item: Item) => boolean, what: string): Promise<Item> {
    const { promise, resolve, reject } = Promise.withResolvers<Item>();
    const look = (): void => {
      const index = list.findIndex(matches);
      const [item] = index < 0 ? [] : list.splice(0, index + 1).slice(-1);
      if (item === undefined) return;
      this.#waiting.delete(look);
      resolve(item);
    };
    this.#waiting.add(look);
    const timer = setTimeout(() => reject(new Error(`waited ${waitMs} ms for ${what}`)), waitMs);
    look();
    return promise.finally(() => clearTimeout(timer));
  }
}

/** Connects, pairs by QR, reconnects, and resolves when the connection is open. */
export async function pairByQr(client: BareClient, scan: (qr: string) => Promise<unknown>): Promise<void> {
  client.connect();
  await scan(await client.qr());
  const status = await client.closed();
  if (status !== 515) throw new Error(`the pairing ended with ${status}`);
  client.connect();
  await client.opened();
}

function memoryKeys(): SignalKeyStore {
  const values = new Map<string, unknown>();
  return {
    get: async <Type extends keyof SignalDataTypeMap>(type: Type, ids: string[]) => {
      const found: Record<string, SignalDataTypeMap[Type]> = {};
      for (const id of ids) {
        const value = values.get(`${type}/${id}`);
        if (value !== undefined) found[id] = value as SignalDataTypeMap[Type];
      }
      return found;
    },
    set: async (data) => {
      for (const [type, entries] of Object.entries(data)) {
        for (const [id, value] of Object.entries(entries ?? {})) {
          if (value === null || value === undefined) values.delete(`${type}/${id}`);
          else values.set(`${type}/${id}`, value);
        }
      }
    },
  };
}
