/**
 * Baseline for `sessions.ts` and `sends.ts`: sessions on bare Baileys as in its documentation, with keys in SQLite. Asks for a scan
 * with a line "qr <name> <text>", prints "open <count>" once all are open, and waits to be killed. With the option "sends", it sends the
 * texts that its parent asks for, and tells it when WhatsApp's server has them.
 */
import { DatabaseSync } from "node:sqlite";
import {
  type AuthenticationCreds,
  BufferJSON,
  generateMessageIDV2,
  initAuthCreds,
  makeWASocket,
  type SignalDataTypeMap,
  type WASocket,
} from "@whiskeysockets/baileys";
import { pino } from "pino";
import type { BareSends } from "./bare-sessions.ts";

const [, , url = "", file = "", count = "1", ...options] = process.argv;
// As sessiond signs. Also for pairing, which is not measured.
if (options.includes("fast-curve")) (await import("../../src/adapters/baileys/curve.ts")).installFastCurve();
// An orderly exit writes Node's compile cache.
process.on("SIGTERM", () => process.exit());
// libsignal would print keys.
console.info = () => {};
console.warn = () => {};

const database = new DatabaseSync(file);
database.exec(
  "pragma journal_mode = wal; create table if not exists data (key text primary key, value text) without rowid",
);
// A power failure may then lose the last keys.
if (options.includes("unsynced")) database.exec("pragma synchronous = off");
const select = database.prepare("select value from data where key = ?");
const insert = database.prepare("insert or replace into data values (?, ?)");
const remove = database.prepare("delete from data where key = ?");

const read = (key: string): unknown => {
  const row = select.get(key);
  return row ? JSON.parse(String(row.value), BufferJSON.reviver) : undefined;
};
const write = (key: string, value: unknown) => {
  if (value === null || value === undefined) remove.run(key);
  else insert.run(key, JSON.stringify(value, BufferJSON.replacer));
};

const sockets = new Map<string, WASocket>();
let open = 0;
const logger = pino({ level: "silent" });

function connect(name: string): Promise<void> {
  const creds = (read(`${name}/creds`) as AuthenticationCreds | undefined) ?? initAuthCreds();
  const keys = {
    get: async <T extends keyof SignalDataTypeMap>(type: T, ids: string[]) => {
      const found: Record<string, SignalDataTypeMap[T]> = {};
      for (const id of ids) {
        const value = read(`${name}/${type}/${id}`);
        if (value !== undefined) found[id] = value as SignalDataTypeMap[T];
      }
      return found;
    },
    set: async (data: object) => {
      database.exec("begin");
      for (const [type, values] of Object.entries(data)) {
        for (const [id, value] of Object.entries(values)) write(`${name}/${type}/${id}`, value);
      }
      database.exec("commit");
    },
  };
  return new Promise((resolve) => {
    const start = () => {
      const socket = makeWASocket({
        waWebSocketUrl: url,
        auth: { creds, keys },
        logger,
        shouldSyncHistoryMessage: () => false,
      });
      socket.ev.on("creds.update", (update) => {
        Object.assign(creds, update);
        write(`${name}/creds`, creds);
      });
      socket.ev.on("connection.update", ({ qr, connection }) => {
        if (qr) console.log(`qr ${name} ${qr}`);
        if (connection === "close") start();
        if (connection !== "open") return;
        sockets.set(name, socket);
        open += 1;
        if (open === Number(count)) console.log(`open ${open}`);
        resolve();
      });
    };
    start();
  });
}

/** Sends a text; resolves when WhatsApp's server has it. */
async function send(session: string, jid: string): Promise<void> {
  const socket = sockets.get(session);
  if (!socket) throw new Error(`${session} is not open`);
  const messageId = generateMessageIDV2();
  const acknowledged = new Promise((resolve) => socket.ws.once(`CB:ack,id:${messageId}`, resolve));
  await socket.sendMessage(
    jid,
    { text: `text ${messageId} of a message that is sent`, linkPreview: null },
    { messageId },
  );
  await acknowledged;
}

async function sendMany({ chats, count }: BareSends): Promise<void> {
  let left = count;
  const sendAll = async ({ session, jid }: BareSends["chats"][number]) => {
    while (left-- > 0) await send(session, jid);
  };
  await Promise.all(chats.map(sendAll));
  process.send?.("sent");
}

if (options.includes("sends")) process.on("message", (sends) => void sendMany(sends as BareSends));

// Stock Baileys loses handshakes when more sessions start at once.
const names = Array.from({ length: Number(count) }, (_, i) => `s${i}`).values();
const connectNext = async () => {
  for (const name of names) await connect(name);
};
for (let i = 0; i < 8; i++) void connectNext();
