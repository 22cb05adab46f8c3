import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import type { Phone } from "../emulator/phone.ts";
import { openHarness } from "./harness.ts";
import { startNowebSends } from "./sends-under-kills.ts";
import { testStores } from "./stores.ts";

/** `npm run test:sends -- --kills=1000` is the long run. */
const killsOf: Readonly<Record<string, number>> = { level: 3, postgres: 1 };
const ackEvents = ["message.any", "message.ack"];

/** Opens a server with a paired session. */
async function openPaired(env: Record<string, string> = {}) {
  const harness = await openHarness({ SESSIOND_CONNECTS_PER_SECOND: "200", ...env });
  const { whatsapp, rest, hook } = harness;
  await rest.post("/api/sessions", { name: "alice", config: { webhooks: [{ url: hook.url, events: ackEvents }] } });
  const phone = whatsapp.phone();
  await phone.scan(await rest.qrCode("alice"));
  await rest.untilStatus("alice", "WORKING");
  return { ...harness, phone };
}

const chatOf = ({ number }: Phone) => `${number}@c.us`;

describe("a message sent over REST on NOWEB", () => {
  it("reaches the phone once under its id, and its acknowledgements arrive as webhooks in order", async () => {
    await using harness = await openPaired();
    const { whatsapp, rest, hook, phone } = harness;
    const bob = whatsapp.phone();
    const { status, body } = await rest.post("/api/sendText", { session: "alice", chatId: chatOf(bob), text: "hello" });
    assert.equal(status, 201);
    assert.deepEqual([body.ackName, body.body, body.fromMe], ["SERVER", "hello", true]);
    const id = String(body.key?.id);
    assert.equal(String(body.id), `true_${chatOf(bob)}_${id}`);
    const shown = await bob.nextMessage();
    assert.deepEqual([shown.id, shown.text], [id, "hello"]);
    const told = () => hook.taken.flatMap((one) => (one.body.payload.id === body.id ? one.body : []));
    await hook.until(() => told().length >= 3);
    bob.confirm(phone, [id], { type: "read" });
    await hook.until(() => told().length >= 4);
    assert.deepEqual(
      told().map(({ event, payload }) => [event, payload.ackName]),
      [
        ["message.any", "PENDING"],
        ["message.ack", "SERVER"],
        ["message.ack", "DEVICE"],
        ["message.ack", "READ"],
      ],
    );
  });

  it("can reply to a message from before a kill, mentions no stranger, and previews links of allowed addresses only", async () => {
    await using harness = await openPaired({ SESSIOND_WEBHOOK_ALLOW: "127.0.0.1" });
    const { whatsapp, rest, server, hook, phone } = harness;
    const bob = whatsapp.phone();
    const asked = await bob.sendTextTo(phone, "how are you?");
    await hook.until(() => hook.taken.some(({ body }) => String(body.payload.id).includes(asked)));
    await server.kill("SIGKILL");
    await server.restart();
    await rest.untilStatus("alice", "WORKING");
    const pages = createServer((_, response) => response.end("<title>A page</title>")).listen(0, "127.0.0.1");
    await once(pages, "listening");
    const { port } = pages.address() as AddressInfo;
    const send = async (text: string, more: object = {}) =>
      (await rest.post("/api/sendText", { session: "alice", chatId: chatOf(bob), text, ...more })).status;
    const shown = async () => (await bob.nextMessage()).content.extendedTextMessage;
    assert.equal(await send("fine", { reply_to: `false_${chatOf(bob)}_${asked}` }), 201);
    assert.equal((await shown())?.contextInfo?.stanzaId, asked);
    assert.equal(await send("hi @1", { mentions: [chatOf(whatsapp.phone())] }), 400);
    assert.equal(await send("hi", { reply_to: `false_${chatOf(bob)}_3EB0UNKNOWN` }), 400);
    for (const [host, title] of [
      ["127.0.0.1", "A page"],
      ["127.0.0.2", ""],
      ["[::ffff:127.0.0.1]", ""],
    ] as const) {
      assert.equal(await send(`look: http://${host}:${port}/`), 201);
      assert.equal((await shown())?.title ?? "", title);
    }
    pages.close();
  });

  it("is refused with its field named if the number has no account", async () => {
    await using harness = await openPaired();
    const { whatsapp, rest } = harness;
    whatsapp.numbering.set("49123456789", null);
    const { status, body } = await rest.post("/api/sendText", {
      session: "alice",
      chatId: "49123456789@c.us",
      text: "x",
    });
    assert.equal(status, 422);
    assert.match(JSON.stringify(body), /chatId/);
    const exists = await rest.get("/api/contacts/check-exists?session=alice&phone=49123456789");
    assert.equal(exists.body.numberExists, false);
  });
});

for (const [name, openStore] of Object.entries(testStores)) {
  const kills = killsOf[name] ?? 1;
  it(`${kills} kills during sends lose no message, repeat none and keep each chat's order (${name})`, {
    timeout: 120_000 + 10_000 * kills,
  }, async () => {
    await using store = await openStore();
    const env = { SESSIOND_CONNECTS_PER_SECOND: "200", SESSIOND_SENDS_PER_SECOND: "0", ...store.env };
    await using harness = await openHarness(env);
    const sends = await startNowebSends(harness);
    for (let killed = 0; killed < kills; killed += 1) await sends.kill();
    assert.deepEqual(await sends.finish(), []);
  });
}
