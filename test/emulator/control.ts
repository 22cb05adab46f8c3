/** HTTP endpoint of `npm run sandbox` through which a person operates the emulated phones. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** Functions of an emulator that the endpoint needs, for either engine. */
export interface Phones {
  phone(number?: string, profile?: { readonly name?: string | undefined }): Account;
}

interface Account {
  readonly number: string;
  readonly name: string;
  readonly devices: readonly { readonly jid: string }[];
  scan(qr: string): Promise<Linked>;
  enterCode(code: string): Promise<Linked>;
  unlink(): Promise<void>;
  sendTextTo(number: string, text: string): Promise<string>;
}

interface Linked {
  readonly jid: string;
  readonly phone: { readonly number: string; readonly name: string };
}

/** A running control endpoint. */
export interface Control {
  readonly url: string;
  close(): Promise<void>;
}

interface Fields {
  /** Complete request body. */
  readonly body: string;
  /** Returns the JSON field, if present. */
  optional(name: string): string | undefined;
  /** Returns the JSON field; throws a `ControlError` if it is missing. */
  required(name: string): string;
}

class ControlError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const helpText = `An emulated WhatsApp. These calls operate its phones; a new number becomes a new phone.

POST /scan    {"qr": "…", "phone": "15551234567", "name": "…"}   scan a QR code (phone and name may be left out,
              and the QR code's text alone may be the whole body)
POST /code    {"phone": "15551234567", "code": "ABCD-1234"}      type a pairing code
POST /send    {"from": "15557654321", "to": "15551234567", "text": "…"}   send a text
POST /unlink  {"phone": "15551234567"}                           remove the phone's linked devices
GET  /        this list
`;

const calls: Readonly<Record<string, (whatsapp: Phones, fields: Fields) => Promise<object>>> = {
  "/scan": async (whatsapp, fields) => {
    // WAHA's GET /api/{session}/auth/qr?format=raw calls the code "value".
    const qr = fields.optional("qr") ?? fields.optional("value") ?? fields.body.trim();
    if (!qr.includes(",")) throw new ControlError(400, "the body must be a QR code");
    const phone = whatsapp.phone(fields.optional("phone"), { name: fields.optional("name") });
    return linked(await phone.scan(qr));
  },
  "/code": async (whatsapp, fields) => {
    const phone = whatsapp.phone(fields.required("phone"));
    return linked(await phone.enterCode(fields.required("code")));
  },
  "/send": async (whatsapp, fields) => {
    const from = whatsapp.phone(fields.required("from"));
    return { id: await from.sendTextTo(fields.required("to"), fields.required("text")) };
  },
  "/unlink": async (whatsapp, fields) => {
    const phone = whatsapp.phone(fields.required("phone"));
    const devices = phone.devices.map(({ jid }) => jid);
    if (devices.length === 0) throw new ControlError(404, `no device is linked to ${phone.number}`);
    await phone.unlink();
    return { unlinked: devices };
  },
};

/** Starts the endpoint on loopback. Port 0 takes a free one. */
export async function startControl(whatsapp: Phones, options: { readonly port: number }): Promise<Control> {
  const server = createServer((request, response) => void respond(whatsapp, request, response));
  server.listen(options.port, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function respond(whatsapp: Phones, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url ?? "/";
  if (request.method === "GET" && path === "/") {
    response.setHeader("Content-Type", "text/plain; charset=utf-8").end(helpText);
    return;
  }
  let status = 200;
  let answer: object;
  try {
    const call = calls[path];
    if (!call) throw new ControlError(404, `unknown call; GET / lists the calls`);
    if (request.method !== "POST") throw new ControlError(405, `${path} needs POST`);
    answer = await call(whatsapp, fieldsOf(await text(request)));
  } catch (error) {
    // Other errors are refusals by a phone or by WhatsApp, such as a wrong code or an expired QR code.
    status = error instanceof ControlError ? error.status : 409;
    answer = { error: error instanceof Error ? error.message : String(error) };
  }
  response.writeHead(status, { "Content-Type": "application/json" }).end(`${JSON.stringify(answer)}\n`);
}

function fieldsOf(body: string): Fields {
  const values = body.trimStart().startsWith("{") ? parse(body) : {};
  const optional = (name: string): string | undefined => {
    const value = values[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "string" && typeof value !== "number") throw new ControlError(400, `"${name}" must be a text`);
    return String(value);
  };
  const required = (name: string): string => {
    const value = optional(name);
    if (!value) throw new ControlError(400, `the body must be JSON with "${name}"`);
    return value;
  };
  return { body, optional, required };
}

function parse(body: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(body);
  } catch {
    throw new ControlError(400, "the body is not valid JSON");
  }
}

function linked(device: Linked): object {
  return { phone: device.phone.number, name: device.phone.name, device: device.jid };
}
