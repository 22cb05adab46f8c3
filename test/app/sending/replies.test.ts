import assert from "node:assert/strict";
import { it } from "node:test";
import { SessionError } from "../../../src/domain/errors.ts";
import { me, messageOf, settle } from "../harness.ts";
import { openSender, textRequest } from "./open-sender.ts";

it("a reply can name a message from before the engine was opened, and none that never came", async (t) => {
  const { senderOf, sending, engine, manager, reopen, states } = await openSender(t);
  const chatId = "11111111111@c.us";
  engine().report({ type: "message", message: messageOf(`false_${chatId}_AAAA`) });
  await settle();
  await manager.close();
  const next = reopen();
  await next.boot();
  engine().report({ type: "opened", me });
  await settle();
  const send = (text: string, replyTo: object) =>
    senderOf(next).send(textRequest(text, { replyTo: { id: "AAAA", ...replyTo } }), new AbortController().signal);
  for (const [text, name] of [
    ["full", { chatId, fromMe: false }],
    ["short", {}],
  ] as const) {
    const { message } = await send(text, name);
    const { id, remoteJid, fromMe } = message.content?.replyTo ?? {};
    assert.deepEqual([id, remoteJid, fromMe], ["AAAA", "11111111111@s.whatsapp.net", false]);
  }
  for (const name of [{ chatId, fromMe: true }, { chatId: "2222222222@c.us", fromMe: false }, { id: "AAA" }]) {
    await assert.rejects(
      send("none", name),
      (error) => error instanceof SessionError && /^replyTo names a message/.test(error.message),
    );
  }
  assert.deepEqual([await states(), sending().left.length], [["full SENT", "short SENT"], 2]);
});
