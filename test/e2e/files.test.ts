import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { sendContent } from "../emulator/messages.ts";
import { openHarness } from "./harness.ts";

/** Opens a server with a paired session. */
async function openPaired() {
  const harness = await openHarness({ SESSIOND_CONNECTS_PER_SECOND: "200" });
  const { whatsapp, rest, config } = harness;
  await rest.post("/api/sessions", { name: "alice", config });
  const phone = whatsapp.phone();
  await phone.scan(await rest.qrCode("alice"));
  await rest.untilStatus("alice", "WORKING");
  return { ...harness, phone };
}

describe("files over REST on NOWEB", () => {
  // With real processes: what is in memory is lost, and only the store and the spool can bring the message through.
  it("reach the phone once, though the server is killed while it uploads and before it sends", async () => {
    await using harness = await openPaired();
    const { whatsapp, rest, server } = harness;
    const bob = whatsapp.phone();
    // A receipt would tell the next process that the message has arrived.
    bob.confirmsDelivery = false;
    const { media } = whatsapp;
    const content = randomBytes(300_000);
    const file = { mimetype: "application/octet-stream", filename: "x.bin", data: content.toString("base64") };
    const send = () =>
      rest.call(
        "POST",
        "/api/sendFile",
        { session: "alice", chatId: `${bob.number}@c.us`, file, id: "3EB0F11E" },
        { prefer: "respond-async" },
      );
    const killed = Promise.withResolvers<void>();
    media.fault = () => {
      // The upload hangs until the server is killed.
      media.fault = () => false;
      killed.resolve();
      return true;
    };
    assert.equal((await send()).status, 201);
    await killed.promise;
    await server.kill("SIGKILL");
    let acknowledges = false;
    whatsapp.answerTo = ({ attrs }) => (acknowledges || attrs.id !== "3EB0F11E" ? {} : "none");
    await server.restart();
    const shown = await bob.nextMessage();
    assert.deepEqual(media.open(shown.content), content);
    const uploads = media.requests.length;
    await server.kill("SIGKILL");
    acknowledges = true;
    await server.restart();
    await whatsapp.until(() => bob.repeats.includes("3EB0F11E"), "the message once more");
    assert.equal((await send()).status, 201);
    assert.deepEqual([bob.shown.length, media.requests.length], [1, uploads]);
    assert.deepEqual(media.faults, []);
  });

  it("are fetched by the URL in a webhook, after a restart too", async () => {
    await using harness = await openPaired();
    const { whatsapp, hook, server, phone } = harness;
    const bob = whatsapp.phone();
    const content = randomBytes(300_000);
    const fields = whatsapp.media.store("imageMessage", content, "image/jpeg");
    await sendContent(whatsapp, bob, phone, { imageMessage: { ...fields, caption: "look" } });
    const told = () => hook.taken.find(({ body }) => String(body.event) === "message");
    await hook.until(() => told() !== undefined);
    const payload = told()?.body.payload;
    const shown: { readonly url?: unknown; readonly mimetype?: unknown } = Object(payload?.media);
    assert.deepEqual([payload?.hasMedia, payload?.body, shown.mimetype], [true, "look", "image/jpeg"]);
    const { pathname } = new URL(String(shown.url));
    for (const _ of ["before a restart", "after it"]) {
      const response = await fetch(server.baseUrl + pathname);
      assert.deepEqual([response.status, response.headers.get("content-type")], [200, "image/jpeg"]);
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), content);
      await server.kill("SIGKILL");
      await server.restart();
      await harness.rest.untilStatus("alice", "WORKING");
    }
  });
});
