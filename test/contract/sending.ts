import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  OutgoingContentSchema,
  type OutgoingMessage,
  OutgoingMessageSchema,
} from "../../gen/sessiond/store/v1/store_pb.js";
import { MessagePayload_Ack as Ack, type MessagePayload } from "../../gen/sessiond/v1/event_pb.js";
import type { MessageChange } from "../../src/domain/session.ts";
import type { EngineEvent } from "../../src/ports/engine.ts";
import type { AckReport, Sending, SentMessage } from "../../src/ports/sending.ts";
import type { EngineSession, OpenEngine } from "./engine-session.ts";

/** A message that a phone shows. */
export interface ShownText {
  readonly id: string;
  readonly text: string | undefined;
}

/** An account and its phone, which messages are sent to. */
export interface SendingPhone {
  readonly number: string;
  readonly lid: string;
  readonly shown: readonly ShownText[];
  /** Ids of repeats that the phone has dropped. */
  readonly repeats: readonly string[];
  confirmsDelivery: boolean;
  sendTextTo(number: string, text: string): Promise<string>;
}

/** A message that a person changes, which that person wrote if `isOwn`. */
export interface Target {
  readonly id: string;
  readonly isOwn: boolean;
}

/** Answers of WhatsApp's server to messages. */
export type Answer = { readonly delayMs?: number; readonly error?: number } | "none";

/** An emulated WhatsApp and a session that is logged in there. The parts of `Phone` that differ between the emulators are functions. */
export interface SendingFixture<Phone extends SendingPhone = SendingPhone> {
  /** The phone of the session's account. */
  readonly phone: Phone;
  readonly session: EngineSession;
  readonly engine: OpenEngine;
  newPhone(number?: string): Phone;
  /** Sets how messages of the session are answered from now on. */
  answer(answer: Answer): void;
  /** Lets a number lead to another account, or to none. */
  setNumber(number: string, account: string | null): void;
  /** A person has read or played messages of the session's account. */
  confirm(phone: Phone, ids: readonly string[], type: "read" | "played"): void;
  /** Returns whether the sender of a message has been told that it was read. */
  isRead(sender: Phone, id: string): boolean;
  /** Ids of the messages that the session has sent, repeats included. */
  sentIds(): readonly string[];
  quotedBy(phone: Phone, id: string): { readonly id: string; readonly text: string } | undefined;
  mentionedBy(phone: Phone, id: string): readonly string[];
  reactionsTo(phone: Phone): readonly { readonly id: string; readonly text: string }[];
  react(from: Phone, to: Phone, target: Target, text: string): Promise<string>;
  edit(from: Phone, to: Phone, id: string, text: string): Promise<unknown>;
  revoke(from: Phone, to: Phone, id: string): Promise<unknown>;
  /** Resolves once the condition holds. */
  until(condition: () => boolean): Promise<void>;
  close(): Promise<void>;
}

/** Time for a report to come. */
const waitMs = 30_000;

/** All events of an engine, which are read at once as they come. */
export class Reports {
  readonly #events: EngineEvent[] = [];
  readonly #changed = new Set<() => void>();

  constructor(engine: OpenEngine) {
    void this.#read(engine);
  }

  /** Returns the reports on a message once there are `count`: name and what else they say. */
  async acks(id: string, count: number): Promise<string[][]> {
    const found = () =>
      this.#events.flatMap((event) => (event.type === "ack" && event.report.id === id ? [event.report] : []));
    await this.#until(() => found().length >= count);
    return found().map(({ ack, participant, reason }: AckReport) => [
      Ack[ack],
      ...[participant ?? reason ?? []].flat(),
    ]);
  }

  /** Returns the next change of messages. */
  async change(matches: (change: MessageChange) => boolean = () => true): Promise<MessageChange> {
    const find = () => this.#events.find((event) => event.type === "message_change" && matches(event.change));
    await this.#until(() => find() !== undefined);
    const found = find();
    assert.ok(found?.type === "message_change");
    this.#events.splice(this.#events.indexOf(found), 1);
    return found.change;
  }

  /** Returns the changes of messages that were not asked for. */
  changes(): MessageChange[] {
    return this.#events.flatMap((event) => (event.type === "message_change" ? [event.change] : []));
  }

  /** Returns the message with this id of WhatsApp's once it is reported. */
  async message(id: string): Promise<MessagePayload> {
    const find = () =>
      this.#events.flatMap((event) => (event.type === "message" && event.message.id.includes(id) ? event.message : []));
    await this.#until(() => find().length > 0);
    return find()[0] ?? assert.fail();
  }

  messageIds(): string[] {
    return this.#events.flatMap((event) => (event.type === "message" ? [event.message.id] : []));
  }

  async #read(engine: OpenEngine): Promise<void> {
    for (let event = await engine.next(); event; event = await engine.next()) {
      this.#events.push(event);
      for (const check of this.#changed) check();
    }
  }

  async #until(holds: () => boolean): Promise<void> {
    if (holds()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const check = () => holds() && resolve();
    this.#changed.add(check);
    const timer = setTimeout(() => reject(new Error(`not reported within ${waitMs} ms`)), waitMs);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#changed.delete(check);
    }
  }
}

let nextId = 0;
const outgoingIds = new Set<string>();

/** See EngineOptions: true for the messages of this contract. */
export const isOutgoing = async (id: string): Promise<boolean> => outgoingIds.has(id);

/** Returns a message to be sent, with an id of its own. */
export const outgoing = (
  chatId: string,
  content: MessageInitShape<typeof OutgoingContentSchema>,
  more: MessageInitShape<typeof OutgoingMessageSchema> = {},
): OutgoingMessage => {
  nextId += 1;
  const id = `3EB0${String(nextId).padStart(18, "0")}`;
  outgoingIds.add(id);
  return create(OutgoingMessageSchema, { id, chatId, content: create(OutgoingContentSchema, content), ...more });
};

/** Returns the content of a text. */
export const text = (value: string): MessageInitShape<typeof OutgoingContentSchema> => ({
  kind: { case: "text", value: { text: value } },
});

/** Tests that every engine that sends must pass. They share one logged-in session, each with a recipient of its own. */
export function sendingContract<Phone extends SendingPhone>(
  name: string,
  open: () => Promise<SendingFixture<Phone>>,
  refusals: readonly (readonly [error: number, reason: string])[],
): void {
  describe(`the engine ${name}, when it sends`, () => {
    let fixture: SendingFixture<Phone>;
    let reports: Reports;
    let bob: Phone;
    const sent = new Map<string, SentMessage>();

    const sending = (): Sending => fixture.engine.engine.sending ?? assert.fail("the engine cannot send");
    const send = async (message: OutgoingMessage): Promise<SentMessage> => {
      const one = await sending().send(message);
      sent.set(message.id, one);
      return one;
    };
    const shownBy = async (phone: Phone, id: string) => {
      const find = () => phone.shown.find((one) => one.id === id);
      await fixture.until(() => find() !== undefined);
      return find();
    };
    const chat = () => `${bob.number}@c.us`;
    const me = () => `${fixture.phone.number}@c.us`;

    before(async () => {
      fixture = await open();
      fixture.session.sentMessage = async (id) => sent.get(id);
      reports = new Reports(fixture.engine);
    });
    beforeEach(() => {
      fixture.answer({});
      bob = fixture.newPhone();
    });
    after(() => fixture.close());

    it("sends a text under the caller's id, and reports how far it has come", async () => {
      const message = outgoing(chat(), text("hello"));
      const { jid } = await send(message);
      assert.equal(jid, `${bob.number}@s.whatsapp.net`);
      assert.equal((await shownBy(bob, message.id))?.text, "hello");
      assert.deepEqual(await reports.acks(message.id, 2), [["SERVER"], ["DEVICE"]]);
      fixture.confirm(bob, [message.id], "read");
      fixture.confirm(bob, [message.id], "played");
      assert.deepEqual((await reports.acks(message.id, 4)).slice(2), [["READ"], ["PLAYED"]]);
      assert.deepEqual(
        reports.messageIds().filter((id) => id.includes(message.id)),
        [],
      );
    });

    it("reports each of several messages that were read", async () => {
      const messages = ["one", "two", "three"].map((one) => outgoing(chat(), text(one)));
      for (const message of messages) await send(message);
      for (const { id } of messages) await reports.acks(id, 2);
      fixture.confirm(
        bob,
        messages.map(({ id }) => id),
        "read",
      );
      for (const { id } of messages) assert.deepEqual((await reports.acks(id, 3)).at(-1), ["READ"]);
    });

    it("sends to several chats at once, each message under its own id", async () => {
      const phones = [bob, fixture.newPhone(), fixture.newPhone()];
      const messages = phones.map(({ number }) => outgoing(`${number}@c.us`, text(`to ${number}`)));
      await Promise.all(messages.map(send));
      for (const [i, phone] of phones.entries()) {
        const { id = "" } = messages[i] ?? {};
        assert.equal((await shownBy(phone, id))?.text, `to ${phone.number}`);
        assert.equal(phone.shown.length, 1);
      }
    });

    it("reports an acknowledgement that comes late", async () => {
      fixture.answer({ delayMs: 300 });
      const message = outgoing(chat(), text("slow"));
      await send(message);
      assert.deepEqual((await reports.acks(message.id, 1))[0], ["SERVER"]);
    });

    for (const [error, reason] of refusals) {
      it(`reports ${reason} once if WhatsApp refuses a message with ${error}, and sends it only once`, async () => {
        fixture.answer({ error });
        const message = outgoing(chat(), text("hello"));
        await send(message);
        assert.deepEqual(await reports.acks(message.id, 1), [["ERROR", reason]]);
        assert.deepEqual([fixture.sentIds().filter((id) => id === message.id).length, bob.shown.length], [1, 0]);
      });
    }

    it("refuses a number without an account before anything leaves", async () => {
      fixture.setNumber("49123456789", null);
      const { length } = fixture.sentIds();
      for (const chatId of ["49123456789@c.us", bob.lid.replace("@lid", "@c.us")]) {
        fixture.setNumber(chatId.slice(0, -5), null);
        await assert.rejects(
          send(outgoing(chatId, text("hello"))),
          { reason: "NO_ACCOUNT", message: /chatId/ },
          chatId,
        );
      }
      assert.equal(await sending().findAccount("49123456789"), undefined);
      assert.equal(fixture.sentIds().length, length);
    });

    it("sends to the number that WhatsApp answers, as for Brazil's ninth digit", async () => {
      const ana = fixture.newPhone("551187654321");
      fixture.setNumber("5511987654321", ana.number);
      const message = outgoing("5511987654321@c.us", text("oi"));
      const { jid } = await send(message);
      assert.equal(jid, `${ana.number}@s.whatsapp.net`);
      assert.equal((await shownBy(ana, message.id))?.text, "oi");
      assert.equal((await sending().findAccount("5511987654321"))?.chatId, `${ana.number}@c.us`);
    });

    it("sends to a LID", async () => {
      const message = outgoing(bob.lid, text("hello"));
      await send(message);
      assert.equal((await shownBy(bob, message.id))?.text, "hello");
    });

    it("sends a repeated message so that the phone shows it once", async () => {
      const message = outgoing(chat(), text("hello"));
      const { jid, encoded } = await send(message);
      await reports.acks(message.id, 2);
      await send({ ...message, jid, encoded: Buffer.from(encoded) });
      const later = outgoing(chat(), text("later"));
      await send(later);
      await shownBy(bob, later.id);
      assert.deepEqual(
        bob.shown.map(({ id }) => id),
        [message.id, later.id],
      );
    });

    it("quotes a message that came in, and reacts to it", async () => {
      const id = await bob.sendTextTo(fixture.phone.number, "how are you?");
      await reports.message(id);
      const key = await sending().findMessage({ id, chatId: chat() });
      assert.ok(key);
      const answer = outgoing(chat(), { ...text("fine"), replyTo: key });
      await send(answer);
      await shownBy(bob, answer.id);
      assert.deepEqual(fixture.quotedBy(bob, answer.id), { id, text: "how are you?" });
      const reaction = outgoing(chat(), { kind: { case: "reaction", value: { text: "👍", key } } });
      await send(reaction);
      await fixture.until(() => fixture.reactionsTo(bob).length > 0);
      assert.deepEqual(fixture.reactionsTo(bob), [{ id, text: "👍" }]);
      assert.deepEqual((await reports.acks(reaction.id, 1))[0], ["SERVER"]);
    });

    it("knows no message of another chat or id", async () => {
      const id = await bob.sendTextTo(fixture.phone.number, "hello");
      await reports.message(id);
      assert.equal(await sending().findMessage({ id: "UNKNOWN", chatId: chat() }), undefined);
      assert.equal(await sending().findMessage({ id, chatId: "15559999999@c.us" }), undefined);
      assert.equal(await sending().findMessage({ id, chatId: chat(), fromMe: true }), undefined);
    });

    it("mentions people", async () => {
      const message = outgoing(chat(), { ...text("hi @1"), mentions: [chat()] });
      await send(message);
      await shownBy(bob, message.id);
      assert.deepEqual(fixture.mentionedBy(bob, message.id), [bob.number]);
    });

    it("tells strangers from the persons in a chat, and mentions none of them", async () => {
      const ana = `${fixture.newPhone().number}@c.us`;
      fixture.setNumber("49123456789", null);
      for (const [mentions, strangers] of [
        [[chat(), bob.lid, me(), "all"], []],
        [[ana], [ana]],
        [
          [me(), "99999999999999@lid", ana],
          ["99999999999999@lid", ana],
        ],
        [["49123456789@c.us"], ["49123456789@c.us"]],
      ] as const) {
        assert.deepEqual(await sending().strangers?.(chat(), mentions), strangers);
        const message = outgoing(chat(), { ...text("hi"), mentions: [...mentions] });
        if (strangers.length === 0) continue;
        await assert.rejects(send(message), { reason: "STRANGER_MENTIONED", message: /^mentions names/ });
        assert.equal(fixture.sentIds().includes(message.id), false);
      }
    });

    it("marks the unread messages of a chat as read", async () => {
      const id = await bob.sendTextTo(fixture.phone.number, "read me");
      await reports.message(id);
      assert.equal(fixture.isRead(bob, id), false);
      await sending().markSeen(chat(), []);
      await fixture.until(() => fixture.isRead(bob, id));
    });

    for (const emoji of ["👍", ""]) {
      it(`reports a reaction ${emoji === "" ? "that was removed" : "with its emoji"}`, async () => {
        const message = outgoing(chat(), text("hello"));
        await send(message);
        const id = await fixture.react(bob, fixture.phone, { id: message.id, isOwn: false }, emoji);
        const change = await reports.change();
        assert.ok(change.case === "messageReaction");
        const { from, to, fromMe, reaction } = change.value;
        assert.deepEqual([from, to, fromMe, reaction?.text], [chat(), me(), false, emoji]);
        assert.equal(reaction?.messageId, `true_${chat()}_${message.id}`);
        assert.equal(change.value.id, `false_${chat()}_${id}`);
      });
    }

    it("reports an edit with the new text and the id of the message", async () => {
      const id = await bob.sendTextTo(fixture.phone.number, "wrogn");
      await reports.message(id);
      for (const body of ["wrong", "right"]) {
        await fixture.edit(bob, fixture.phone, id, body);
        const change = await reports.change();
        assert.ok(change.case === "messageEdited");
        assert.deepEqual([change.value.editedMessageId, change.value.message?.body], [id, body]);
        assert.equal(change.value.message?.from, chat());
      }
    });

    it("reports a deletion with the id of the message", async () => {
      const id = await bob.sendTextTo(fixture.phone.number, "oops");
      await reports.message(id);
      await fixture.revoke(bob, fixture.phone, id);
      const change = await reports.change();
      assert.ok(change.case === "messageRevoked");
      assert.deepEqual([change.value.revokedMessageId, change.value.after?.from], [id, chat()]);
    });

    it("rejects as lost what is sent after it was closed", async () => {
      await fixture.engine.engine.close();
      await assert.rejects(send(outgoing(chat(), text("late"))), { name: "ConnectionLost" });
    });
  });
}
