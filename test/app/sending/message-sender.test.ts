import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { OutgoingContentSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import {
  MessagePayload_Ack as Ack,
  MessageEditedPayloadSchema,
  MessagePayloadSchema,
  MessageRevokedPayloadSchema,
} from "../../../gen/sessiond/v1/event_pb.js";
import { Outgoing_State as State } from "../../../gen/sessiond/v1/outgoing_pb.js";
import { ReachoutTimelockSchema } from "../../../gen/sessiond/v1/session_pb.js";
import { SessionError } from "../../../src/domain/errors.ts";
import { SendRefused } from "../../../src/ports/sending.ts";
import { me, pass, settle } from "../harness.ts";

import { openSender, textOf, textRequest } from "./open-sender.ts";

const isError = (reason: string) => (error: unknown) => error instanceof SessionError && error.reason === reason;

describe("a message that is sent", () => {
  it("is answered once WhatsApp's server has acknowledged it", async (t) => {
    const { send, sending } = await openSender(t);
    const { message } = await send(textRequest("hello"));
    assert.equal(message.state, State.SENT);
    assert.deepEqual(sending().left, ["11111111111@c.us hello"]);
  });

  it("is announced as message.any and message.ack", async (t) => {
    const { send, names } = await openSender(t);
    await send(textRequest("hello"));
    assert.deepEqual((await names()).slice(-2).sort(), ["message.ack", "message.any"]);
  });

  it("is answered as pending after 10 s without an acknowledgement, and counted when that comes", async (t) => {
    const { send, sending, clock, engine, states } = await openSender(t);
    sending().acknowledges = false;
    const sent = send(textRequest("hello", { id: "AAAA" }));
    await settle();
    await pass(clock, 10_000);
    assert.equal((await sent).message.state, State.SENDING);
    engine().report({ type: "ack", report: { id: "AAAA", ack: Ack.DEVICE } });
    await settle();
    assert.deepEqual(await states(), ["hello DELIVERED"]);
  });

  it("is not read again for the receipt that follows, and read for a late one", async (t) => {
    const { send, engine, backend, states } = await openSender(t);
    const reads = t.mock.method(backend.outgoing, "get");
    const deliver = async (id: string) => {
      const before = reads.mock.callCount();
      engine().report({ type: "ack", report: { id, ack: Ack.DEVICE } });
      await settle();
      return reads.mock.callCount() - before;
    };
    for (let i = 0; i < 10; i += 1) await send(textRequest(`${i}`, { id: `A${i}` }));
    assert.deepEqual([await deliver("A9"), await deliver("A0"), await deliver("A9")], [0, 1, 1]);
    assert.deepEqual(
      (await states()).map((state, i) => (state.endsWith("DELIVERED") ? i : -1)).filter((i) => i >= 0),
      [0, 9],
    );
  });

  it("costs two writes until WhatsApp's server has it, the second with both of its events", async (t) => {
    const { send, sending, engine, backend, names, states } = await openSender(t);
    // The memory backend accepts by a write too.
    const writes = t.mock.method(backend.outgoing, "write");
    sending().acknowledges = false;
    await send(textRequest("one", { isAsync: true, id: "AAAA" }));
    await settle();
    assert.deepEqual([await states(), writes.mock.callCount(), sending().left.length], [["one SENDING"], 1, 1]);
    engine().report({ type: "ack", report: { id: "AAAA", ack: Ack.SERVER } });
    await settle();
    assert.deepEqual([await states(), writes.mock.callCount()], [["one SENT"], 2]);
    assert.deepEqual((await names()).slice(-2), ["message.any", "message.ack"]);
    const stored = await backend.outgoing.get("alice", "AAAA");
    assert.deepEqual(
      [stored?.jid, Buffer.from(stored?.encoded ?? []).toString(), stored?.attempts],
      ["11111111111@c.us", "AAAA", 1],
    );
  });

  it("can be sent again to a recipient that asks before its acknowledgement", async (t) => {
    const { send, sending, engine } = await openSender(t);
    sending().acknowledges = false;
    await send(textRequest("one", { isAsync: true, id: "AAAA" }));
    await settle();
    const sent = await engine().sentMessage?.("AAAA");
    assert.equal(Buffer.from(sent?.encoded ?? []).toString(), "AAAA");
  });

  it("is announced within a second if its acknowledgement is late", async (t) => {
    const { send, sending, clock, names } = await openSender(t);
    sending().acknowledges = false;
    await send(textRequest("one", { isAsync: true }));
    await settle();
    await pass(clock, 1_000);
    assert.deepEqual((await names()).slice(-1), ["message.any"]);
  });

  it("is stored as SENDING before it leaves, and another one of its chat as QUEUED", async (t) => {
    const { send, sending, backend } = await openSender(t);
    const stored: string[] = [];
    sending().before = async ({ id }) => {
      const all = await backend.outgoing.list("alice", { limit: 10 });
      stored.push(...all.map((one) => `${id} leaves: ${one.id} ${State[one.state]}`));
    };
    sending().acknowledges = false;
    await Promise.all(["A", "B"].map((id) => send(textRequest(id, { isAsync: true, id }))));
    await settle();
    assert.deepEqual(
      stored.filter((one) => !one.endsWith("B QUEUED")),
      ["A leaves: A SENDING"],
    );
  });

  it("is UNCERTAIN after a minute without an acknowledgement, and the next one of its chat leaves", async (t) => {
    const { send, sending, clock, states } = await openSender(t);
    sending().acknowledges = false;
    await send(textRequest("one", { isAsync: true }));
    await send(textRequest("two", { isAsync: true }));
    await settle();
    assert.deepEqual(sending().left, ["11111111111@c.us one"]);
    sending().acknowledges = true;
    await pass(clock, 60_000);
    assert.deepEqual(await states(), ["one UNCERTAIN", "two SENT"]);
  });

  it("fails without leaving if it waited for a session whose new chats are locked by now", async (t) => {
    const { send, sending, engine, states } = await openSender(t, { works: false });
    engine().report({ type: "paired", me });
    await settle();
    for (const [text, more] of [
      ["new", { chatId: "22222222222@c.us" }],
      ["forced", { chatId: "22222222223@c.us", force: true }],
      ["known", {}],
    ] as const) {
      await send(textRequest(text, { isAsync: true, ...more }));
    }
    const reachoutTimelock = create(ReachoutTimelockSchema, { isActive: true });
    engine().report({ type: "opened", me: { ...me, reachoutTimelock } });
    await settle();
    assert.deepEqual(await states(), ["new FAILED", "forced SENT", "known SENT"]);
    assert.equal(sending().left.length, 2);
    // The next engine has not heard of the lock yet.
    engine().report({ type: "me_changed", me: { ...me, pushName: "Renamed" } });
    await settle();
    await assert.rejects(send(textRequest("late", { chatId: "22222222222@c.us" })), isError("MESSAGE_REFUSED"));
  });

  it("fails with WhatsApp's reason, and is not sent again", async (t) => {
    const { send, sending, states, names } = await openSender(t);
    sending().before = async () => {
      throw new SendRefused("REACHOUT_LOCKED", "locked");
    };
    await assert.rejects(send(textRequest("hello")), isError("MESSAGE_REFUSED"));
    assert.deepEqual(await states(), ["hello FAILED"]);
    assert.equal((await names()).at(-1), "message.ack");
  });

  it("leaves a chat in the order of acceptance, while other chats go on", async (t) => {
    const { send, sending } = await openSender(t);
    const slow = Promise.withResolvers<void>();
    sending().before = (message) => (textOf(message) === "slow" ? slow.promise : Promise.resolve());
    const texts = ["slow", "second", "third"].map((text) => send(textRequest(text)));
    await settle();
    await send(textRequest("other", { chatId: "2222222222@c.us" }));
    assert.deepEqual(sending().left, ["2222222222@c.us other"]);
    slow.resolve();
    await Promise.all(texts);
    assert.deepEqual(sending().left.slice(1), [
      "11111111111@c.us slow",
      "11111111111@c.us second",
      "11111111111@c.us third",
    ]);
  });

  it("waits for the session's rate", async (t) => {
    const { send, sending, clock } = await openSender(t, { sendRate: { perSecond: 1, burst: 2 } });
    for (const text of ["one", "two", "three", "four"]) await send(textRequest(text, { isAsync: true }));
    await settle();
    assert.equal(sending().left.length, 2);
    await pass(clock, 1_000);
    assert.equal(sending().left.length, 3);
    await pass(clock, 1_000);
    assert.equal(sending().left.length, 4);
  });
});

describe("a call that is repeated", () => {
  for (const key of [{ id: "3EB0AAAA" }, { idempotencyKey: "key" }]) {
    it(`sends one message for ${Object.keys(key)}, however many calls come at once`, async (t) => {
      const { send, sending } = await openSender(t);
      const answers = await Promise.all([1, 2, 3].map(() => send(textRequest("hello", key))));
      const again = await send(textRequest("hello", key));
      assert.equal(new Set([...answers, again].map(({ message }) => message.id)).size, 1);
      assert.equal(sending().left.length, 1);
    });

    it(`is refused with another text for the same ${Object.keys(key)}`, async (t) => {
      const { send, sending } = await openSender(t);
      await send(textRequest("hello", key));
      await assert.rejects(send(textRequest("another", key)), isError("IDEMPOTENCY_KEY_REUSED"));
      assert.equal(sending().left.length, 1);
    });
  }
});

describe("a session that is not WORKING", () => {
  it("refuses a message that may not wait, after 5 s while it is STARTING", async (t) => {
    const { send, manager, clock, states } = await openSender(t);
    await manager.restart("alice");
    const refused = assert.rejects(send(textRequest("hello")), isError("SESSION_STATUS_UNEXPECTED"));
    await settle();
    await pass(clock, 5_000);
    await refused;
    assert.deepEqual(await states(), []);
  });

  it("sends a message that may wait once it works", async (t) => {
    const { send, manager, engine, states, sending } = await openSender(t);
    await manager.stop("alice");
    const { message } = await send(textRequest("hello", { isAsync: true }));
    assert.equal(message.state, State.QUEUED);
    await manager.start("alice");
    engine().report({ type: "opened", me });
    await settle();
    assert.deepEqual([await states(), sending().left.length], [["hello SENT"], 1]);
  });

  it("lets a message expire unsent", async (t) => {
    const { send, manager, clock, engine, states, sending } = await openSender(t);
    await manager.stop("alice");
    const sent = send(textRequest("hello", { expiresAtMs: clock.wallMs() + 3_000 }));
    const refused = assert.rejects(sent, isError("MESSAGE_REFUSED"));
    await settle();
    await pass(clock, 3_000);
    await refused;
    await manager.start("alice");
    engine().report({ type: "opened", me });
    await settle();
    assert.deepEqual([await states(), sending().left], [["hello EXPIRED"], []]);
  });

  it("takes no message before it was paired", async (t) => {
    const { send } = await openSender(t, { works: false });
    await assert.rejects(send(textRequest("hello", { isAsync: true })), isError("SESSION_STATUS_UNEXPECTED"));
  });

  it("cancels what waits when its login is removed", async (t) => {
    const { send, manager, states } = await openSender(t);
    await manager.stop("alice");
    await send(textRequest("hello", { isAsync: true }));
    await manager.logout("alice");
    assert.deepEqual(await states(), ["hello CANCELLED"]);
  });

  it("cancels a message for its caller, and says if it has left", async (t) => {
    const { send, manager, senderOf, states } = await openSender(t);
    const { message: left } = await send(textRequest("left"));
    await manager.stop("alice");
    const { message } = await send(textRequest("hello", { isAsync: true }));
    const cancelled = await senderOf().cancel("alice", message.id);
    assert.equal(cancelled.message.state, State.CANCELLED);
    await assert.rejects(senderOf().cancel("alice", left.id), isError("MESSAGE_HAS_LEFT"));
    await assert.rejects(senderOf().cancel("alice", "unknown"), isError("MESSAGE_NOT_FOUND"));
    assert.deepEqual(await states(), ["left SENT", "hello CANCELLED"]);
  });
});

describe("a message on its way when the connection or the process ends", () => {
  it("goes out again under its id, before later ones of its chat", async (t) => {
    const { send, sending, engine, manager, states } = await openSender(t);
    sending().acknowledges = false;
    await send(textRequest("one", { isAsync: true, id: "AAAA" }));
    await send(textRequest("two", { isAsync: true }));
    await settle();
    await manager.restart("alice");
    engine().report({ type: "opened", me });
    await settle();
    assert.deepEqual(sending().left, ["11111111111@c.us one", "11111111111@c.us two"]);
    assert.deepEqual(await states(), ["one SENT", "two SENT"]);
  });

  it("goes out again in the next process", async (t) => {
    const { send, sending, engine, manager, reopen, states } = await openSender(t);
    sending().acknowledges = false;
    await send(textRequest("one", { isAsync: true }));
    await settle();
    assert.deepEqual(await states(), ["one SENDING"]);
    await manager.close();
    await reopen().boot();
    engine().report({ type: "opened", me });
    await settle();
    assert.deepEqual([await states(), sending().left.length], [["one SENT"], 1]);
  });

  for (const [name, { isFile, uploads }, expected] of [
    ["goes out again, as the phone may show it", { isFile: false, uploads: false }, "SENT"],
    ["goes out again with its file, as the phone may show it", { isFile: true, uploads: false }, "SENT"],
    ["fails if its file was still to be uploaded", { isFile: true, uploads: true }, "FAILED"],
  ] as const) {
    it(`${name}, though new chats are locked by now`, async (t) => {
      const { send, sending, engine, manager, reopen, states } = await openSender(t);
      sending().acknowledges = false;
      const kind = isFile
        ? ({ case: "file", value: { mimetype: "image/png" } } as const)
        : ({ case: "text", value: { text: "one" } } as const);
      const content = create(OutgoingContentSchema, { kind });
      // Nothing is written of the message's way after it was accepted.
      sending().before = () => new Promise(() => {});
      await send(textRequest("one", { isAsync: true, chatId: "22222222222@c.us", content }));
      await settle();
      await manager.close();
      await reopen().boot();
      if (uploads) Object.assign(sending(), { upload: async () => new Uint8Array() });
      const reachoutTimelock = create(ReachoutTimelockSchema, { isActive: true });
      engine().report({ type: "opened", me: { ...me, reachoutTimelock } });
      await settle();
      assert.deepEqual(await states(), [`${isFile ? "" : "one"} ${expected}`]);
      assert.equal(sending().left.length, expected === "SENT" ? 1 : 0);
    });
  }
});

describe("what WhatsApp reports on messages of the account", () => {
  const ackOf = (id: string, more = {}) => ({ type: "ack", report: { id, ack: Ack.DEVICE, ...more } }) as const;
  const person = "11111111111@c.us";
  const group = "120363000000000001@g.us";

  it("is announced for those from another device too, if their chat is known", async (t) => {
    const { engine, events } = await openSender(t);
    const { length } = await events("alice");
    engine().report(ackOf("APP1", { chatId: person }), ackOf("APP2"));
    engine().report(ackOf("APP3", { chatId: group, participant: person }));
    await settle();
    assert.deepEqual(
      (await events("alice"))
        .slice(length)
        .map(({ name, payload }) =>
          payload.case === "messageAck" ? [name, payload.value.id, payload.value.to, payload.value.ack] : [name],
        ),
      [
        ["message.ack", `true_${person}_APP1`, person, Ack.DEVICE],
        ["message.ack.group", `true_${group}_APP3_${me.id}`, group, Ack.DEVICE],
      ],
    );
  });

  it("is counted and not announced in an ignored chat", async (t) => {
    const { send, engine, names, states } = await openSender(t, { ignore: { groups: true } });
    const before = await names();
    await send(textRequest("hello", { chatId: group, id: "AAAA" }));
    engine().report(ackOf("AAAA", { chatId: group, participant: person }), ackOf("APP1", { chatId: group }));
    await settle();
    assert.deepEqual(await states(), ["hello DELIVERED"]);
    assert.deepEqual(await names(), before);
  });

  it("voids the copy of a message that the account edits or deletes, not one that others claim to", async (t) => {
    const { send, engine, backend } = await openSender(t);
    const copies = async () =>
      (await backend.outgoing.list("alice", { limit: 10 })).reverse().map(({ encoded }) => encoded.length > 0);
    const edited = (id: string, fromMe: boolean) => {
      const message = create(MessagePayloadSchema, { id: `${fromMe}_E_${id}`, fromMe, from: fromMe ? me.id : person });
      const value = create(MessageEditedPayloadSchema, { editedMessageId: id, message });
      return { type: "message_change", change: { case: "messageEdited", value } } as const;
    };
    const revoked = (id: string, from: string, fromMe = false) => {
      const after = create(MessagePayloadSchema, { id: `${fromMe}_R_${id}`, fromMe, from });
      const value = create(MessageRevokedPayloadSchema, { revokedMessageId: id, after });
      return { type: "message_change", change: { case: "messageRevoked", value } } as const;
    };
    for (const id of ["AAAA", "BBBB", "CCCC"]) await send(textRequest(id, { id }));
    await send(textRequest("DDDD", { id: "DDDD", chatId: group }));
    engine().report(edited("AAAA", false), revoked("BBBB", person), revoked("CCCC", group));
    await settle();
    assert.deepEqual(await copies(), [true, true, true, true]);
    engine().report(edited("AAAA", true), revoked("BBBB", me.id, true), revoked("DDDD", group));
    await settle();
    assert.deepEqual(await copies(), [false, false, true, false]);
  });
});

describe("messages to one person by two ids", () => {
  it("leave in the order of acceptance, to the number", async (t) => {
    const { send, sending } = await openSender(t);
    sending().chatIdOf = async (chatId) => (chatId === "123@lid" ? "11111111111@c.us" : chatId);
    sending().acknowledges = false;
    await send(textRequest("one", { chatId: "123@lid", isAsync: true }));
    await send(textRequest("two", { isAsync: true }));
    await settle();
    assert.deepEqual(sending().left, ["11111111111@c.us one"]);
  });
});
