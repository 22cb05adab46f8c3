import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openHarness } from "./harness.ts";
import type { WebhookInbox } from "./webhook-inbox.ts";
import { openWebjsHarness } from "./webjs-harness.ts";

/** One way in which a message names its sender, as the emulated WhatsApp sends it. */
type Send = (how: "by LID" | "by LID with the number") => Promise<unknown>;

interface Account {
  readonly number: string;
  readonly lid: string;
}

/** Sends four messages: LID only, LID with the number, LID only, and LID only after a restart. */
async function walk(bob: Account, send: Send, hook: WebhookInbox, restart: () => Promise<void>): Promise<void> {
  const heard = async (how: Parameters<Send>[0]) => {
    const before = hook.taken.length;
    await send(how);
    const { body } = await hook.until((all) => all.slice(before).find((webhook) => webhook.body.event === "message"));
    const { id, from, fromLid } = body.payload;
    return { chat: String(id).split("_")[1], from, fromLid };
  };
  const unknown = { chat: bob.lid, from: bob.lid, fromLid: bob.lid };
  const known = { chat: `${bob.number}@c.us`, from: `${bob.number}@c.us`, fromLid: bob.lid };
  assert.deepEqual(await heard("by LID"), unknown);
  assert.deepEqual(await heard("by LID with the number"), known);
  assert.deepEqual(await heard("by LID"), known);
  await restart();
  assert.deepEqual(await heard("by LID"), known);
}

describe("webhooks for people named by LIDs", () => {
  it("show the number on NOWEB once it is known, also after kill -9", async () => {
    await using harness = await openHarness();
    const { whatsapp, hook, server, rest } = harness;
    const config = { webhooks: [{ url: hook.url, events: ["message"] }] };
    const [phone, bob] = [whatsapp.phone(), whatsapp.phone()];
    await rest.post("/api/sessions", { name: "alice", config });
    const device = await phone.scan(await rest.qrCode("alice"));
    await rest.untilStatus("alice", "WORKING");
    const send: Send = async (how) => {
      const envelope = { from: bob.lid, sender_lid: undefined, ...(how !== "by LID" && { sender_pn: bob.jid }) };
      const id = await bob.sendTextTo(phone, "hello", { envelope });
      await whatsapp.until(() => device.ledger.acknowledged(id), "the receipt");
    };
    await walk(bob, send, hook, async () => {
      await server.kill("SIGKILL");
      await server.restart();
      await rest.untilStatus("alice", "WORKING");
    });
    assert.deepEqual(whatsapp.faults, []);
  });

  it("show the number on WEBJS once it is known, also after kill -9", async () => {
    await using harness = await openWebjsHarness();
    const { whatsapp, hook, server, rest, pair } = harness;
    const config = { webhooks: [{ url: hook.url, events: ["message"] }] };
    await rest.post("/api/sessions", { name: "alice", config });
    const phone = await pair("alice");
    const bob = whatsapp.phone();
    const send: Send = (how) => bob.sendTextTo(phone, "hello", { by: "lid", tellsPair: how !== "by LID" });
    await walk(bob, send, hook, async () => {
      await server.kill("SIGKILL");
      await server.restart();
      await rest.untilStatus("alice", "WORKING");
    });
  });
});
