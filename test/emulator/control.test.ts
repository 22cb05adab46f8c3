import assert from "node:assert/strict";
import { after, before, describe, it, mock } from "node:test";
import { BareClient } from "./bare-client.ts";
import { type Control, startControl } from "./control.ts";
import { ignoreLingeringTimers } from "./lingering-timers.ts";
import { startWhatsApp, type WhatsApp } from "./whatsapp.ts";

ignoreLingeringTimers();
mock.method(console, "info", () => {});

describe("the sandbox's control endpoint", () => {
  const clients: BareClient[] = [];
  let wa: WhatsApp;
  let control: Control;

  before(async () => {
    wa = await startWhatsApp();
    control = await startControl(wa, { port: 0 });
  });

  after(async () => {
    await Promise.all([control.close(), wa.close()]);
    await Promise.all(clients.map((client) => client.stop()));
    assert.deepEqual(wa.faults, []);
  });

  function connect(): BareClient {
    const client = new BareClient(wa.url).connect();
    clients.push(client);
    return client;
  }

  async function post(path: string, body: object | string): Promise<[status: number, answer: Record<string, unknown>]> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const response = await fetch(control.url + path, { method: "POST", body: text });
    return [response.status, (await response.json()) as Record<string, unknown>];
  }

  it("lists its calls", async () => {
    const response = await fetch(control.url);
    assert.match(await response.text(), /POST \/scan/);
  });

  it("scans, sends and unlinks", async () => {
    const client = connect();
    const [status, { phone, device }] = await post("/scan", {
      qr: await client.qr(),
      phone: "15557770001",
      name: "Al",
    });
    assert.deepEqual([status, phone, device], [200, "15557770001", "15557770001:1@s.whatsapp.net"]);
    assert.equal(await client.closed(), 515);
    client.connect();
    await client.opened();
    const [, { id }] = await post("/send", { from: "15557770002", to: "15557770001", text: "hello" });
    const message = await client.message();
    assert.deepEqual([message.key.id, message.message?.conversation], [id, "hello"]);
    await client.settled();
    assert.equal((await post("/unlink", { phone: "15557770001" }))[0], 200);
    assert.equal(await client.closed(), 401);
    assert.equal((await post("/unlink", { phone: "15557770001" }))[0], 404);
  });

  it("scans a QR code given as plain text or in WAHA's raw form", async () => {
    const plain = connect();
    assert.equal((await post("/scan", await plain.qr()))[0], 200);
    const raw = connect();
    assert.equal((await post("/scan", { value: await raw.qr() }))[0], 200);
  });

  it("types a code, also a wrong one", async () => {
    const client = connect();
    await client.qr();
    const code = await client.socket.requestPairingCode("15557770003");
    await wa.until(() => wa.linkCodes.length > 0);
    const [status, { error }] = await post("/code", { phone: "15557770003", code: "WR0NG123" });
    assert.deepEqual([status, error], [409, "wrong code"]);
    assert.equal((await post("/code", { phone: 15557770003, code }))[0], 200);
    assert.equal(await client.closed(), 515);
  });

  it("explains the error of a call", async () => {
    assert.equal((await post("/dance", {}))[0], 404);
    assert.equal((await fetch(`${control.url}/scan`)).status, 405);
    assert.equal((await post("/scan", "{"))[0], 400);
    assert.equal((await post("/scan", "no code"))[0], 400);
    assert.equal((await post("/send", { from: "15557770001" }))[0], 400);
    assert.equal((await post("/code", { phone: "15557770009", code: "ABCD1234" }))[0], 409);
    const stale = "https://wa.me/settings/linked_devices#2@x,a,b,c,1";
    assert.deepEqual(await post("/scan", { qr: stale }), [409, { error: "the QR code is not valid or has expired" }]);
  });
});
