import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { SendsUnderKills } from "./sends-under-kills.ts";
import { openWebjsHarness } from "./webjs-harness.ts";

/** Set SESSIOND_TEST_WEBJS_KILLS=20 for the long run. */
const kills = Number(process.env.SESSIOND_TEST_WEBJS_KILLS ?? 1);

it(`sends over REST on WEBJS: webhooks come in order, files are fetched, and ${kills} kills lose and repeat nothing`, {
  timeout: 90_000 + 20_000 * kills,
}, async (t) => {
  await using harness = await openWebjsHarness({ SESSIOND_SENDS_PER_SECOND: "0" });
  const { whatsapp, rest, hook, server, pair } = harness;
  const webhooks = [{ url: hook.url, events: ["message.any", "message.ack"] }];
  await rest.post("/api/sessions", { name: "alice", config: { webhooks } });
  const phone = await pair("alice");
  const bob = whatsapp.phone();
  const { status, body } = await rest.post("/api/sendText", { session: "alice", chatId: bob.jid, text: "hello" });
  assert.equal(status, 201);
  assert.deepEqual([body.ackName, body.body, body.fromMe], ["SERVER", "hello", true]);
  const id = String(body.key?.id);
  assert.equal(body.id, `true_${bob.jid}_${id}`);
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

  const content = randomBytes(1_000_000);
  const came = await bob.sendFileTo(phone, content, { type: "image", mimetype: "image/png" }, "look");
  const received = () => hook.taken.find((one) => String(one.body.payload.id).includes(came))?.body.payload;
  await hook.until(() => received() !== undefined);
  const media: { readonly url?: unknown; readonly mimetype?: unknown } = Object(received()?.media);
  const response = await fetch(server.baseUrl + new URL(String(media.url)).pathname);
  assert.deepEqual(
    [response.status, response.headers.get("content-type"), media.mimetype],
    [200, "image/png", "image/png"],
  );
  assert.ok(Buffer.from(await response.arrayBuffer()).equals(content));

  const sends = new SendsUnderKills({
    ...{ rest, server, sessions: ["alice"] },
    newPhone: () => whatsapp.phone(),
    until: (condition) => whatsapp.until(condition),
    // Most lives are long enough to log in and send.
    nextMoment: () => delay(Math.random() < 0.3 ? Math.random() * 2_000 : 3_000 + Math.random() * 4_000),
  });
  for (let killed = 0; killed < kills; killed += 1) await sends.kill();
  assert.deepEqual(await sends.finish(), []);
  t.diagnostic(`${sends.counts.accepted} messages, ${sends.counts.repeats} repeats that phones dropped`);
});
