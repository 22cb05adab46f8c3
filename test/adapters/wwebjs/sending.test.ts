import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { after, before, describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  OutgoingContent_File_Kind as Kind,
  type OutgoingContent_FileSchema,
  type OutgoingMessage,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import { MessagePayload_KeySchema } from "../../../gen/sessiond/v1/event_pb.js";
import type { OpenEngine } from "../../contract/engine-session.ts";
import { isOutgoing, outgoing, Reports, sendingContract, text } from "../../contract/sending.ts";
import type { ServerAnswer } from "../../emulator/wwebjs/sent-messages.ts";
import type { WebChange, WebPhone } from "../../emulator/wwebjs/web-phone.ts";
import { collect } from "../../support/async-items.ts";
import { WebjsFixture, type WebjsSession } from "./webjs-fixture.ts";

sendingContract<WebPhone>("WEBJS", async () => {
  const fixture = await WebjsFixture.start();
  const { whatsapp } = fixture;
  const session = fixture.session();
  const { phone } = session;
  session.isOutgoing = isOutgoing;
  const engine = await session.working();
  const device = () => phone.devices[0] ?? assert.fail("the session is not linked");
  return {
    phone,
    session,
    engine,
    newPhone: (number) => whatsapp.phone(number),
    answer(answer) {
      whatsapp.answerTo = () => answer;
    },
    setNumber: (number, account) => void whatsapp.numbering.set(number, account),
    confirm: (person, ids, type) => person.confirm(phone, ids, { type }),
    isRead: (_, id) => !phone.unread.has(id),
    sentIds: () => device().sent,
    quotedBy(person, id) {
      const quoted = person.shown.find((one) => one.id === id)?.quoted;
      return quoted && { id: quoted.id, text: quoted.body };
    },
    mentionedBy: (person, id) =>
      (person.shown.find((one) => one.id === id)?.mentions ?? []).map((one) => one.replace("@c.us", "")),
    reactionsTo: (person) =>
      person.shown.flatMap(({ reaction }) => (reaction ? [{ id: reaction.target.id, text: reaction.text }] : [])),
    react: (from, to, { id, isOwn }, text) =>
      from.change(to, { kind: "reaction", target: { id, fromMe: isOwn }, text }),
    edit: (from, to, id, text) => from.change(to, { kind: "edit", target: { id, fromMe: true }, text }),
    revoke: (from, to, id) => from.change(to, { kind: "revoke", target: { id, fromMe: true }, text: "" }),
    until: (condition) => whatsapp.until(condition),
    async close() {
      await session.close();
      await fixture.close();
    },
  };
}, [
  [463, "REACHOUT_LOCKED"],
  [429, "RATE"],
  [500, "WHATSAPP_500"],
]);

describe("a WEBJS engine that sends", () => {
  let fixture: WebjsFixture;
  let session: WebjsSession;
  let engine: OpenEngine;
  let reports: Reports;

  before(async () => {
    fixture = await WebjsFixture.start();
    session = fixture.session({ sendTimeoutMs: 1_000, resendPatienceMs: 200 });
    session.isOutgoing = isOutgoing;
    engine = await session.working();
    reports = new Reports(engine);
  });
  after(() => fixture.close());

  const sending = () => engine.engine.sending ?? assert.fail("the engine cannot send");
  const send = (message: OutgoingMessage) => sending().send(message);
  const newPhone = () => fixture.whatsapp.phone();
  const answer = (one: ServerAnswer) => {
    fixture.whatsapp.answerTo = () => one;
  };
  const timesSent = (id: string) => session.phone.devices[0]?.sent.filter((one) => one === id).length;
  const idsShown = (phone: WebPhone) => phone.shown.map(({ id }) => id);

  it("reports each member of a group whose device has got a message", async () => {
    const [bob, ana] = [newPhone(), newPhone()];
    const group = fixture.whatsapp.group([session.phone, bob, ana]);
    const message = outgoing(group, { ...text("@all hello"), mentions: ["all"] });
    assert.equal((await send(message)).jid, group);
    assert.deepEqual(await reports.acks(message.id, 4), [
      ["SERVER"],
      ["DEVICE", bob.jid],
      ["DEVICE", ana.jid],
      ["DEVICE"],
    ]);
    const { mentions } = await ana.nextMessage();
    assert.deepEqual(mentions, [session.phone.jid, bob.jid, ana.jid]);
    ana.confirm(session.phone, [message.id], { type: "read", group });
    assert.deepEqual((await reports.acks(message.id, 5)).at(-1), ["READ", ana.jid]);
  });

  it("tells a group's members from strangers", async () => {
    const [bob, ana] = [newPhone(), newPhone()];
    const group = fixture.whatsapp.group([session.phone, bob]);
    assert.deepEqual(await sending().strangers?.(group, [bob.jid, bob.lid, session.phone.jid, ana.jid]), [ana.jid]);
    const message = outgoing(group, { ...text("look"), mentions: [bob.jid, ana.jid] });
    await assert.rejects(send(message), { reason: "STRANGER_MENTIONED" });
    assert.equal(timesSent(message.id), 0);
  });

  it("refuses a group that the account is not in", async () => {
    const group = fixture.whatsapp.group([newPhone()]);
    await assert.rejects(send(outgoing(group, text("hello"))), { reason: "NOT_A_MEMBER", message: /chatId/ });
  });

  it("refuses to quote a message that the page does not have", async () => {
    const key = create(MessagePayload_KeySchema, { remoteJid: newPhone().jid, fromMe: false, id: "UNKNOWN" });
    const message = outgoing(newPhone().jid, { ...text("hello"), replyTo: key });
    await assert.rejects(send(message), { reason: "QUOTE_UNKNOWN", message: /replyTo/ });
    assert.equal(timesSent(message.id), 0);
  });

  it("adds a preview of a link if it is wanted, and sends without one if WhatsApp gives none", async () => {
    const bob = newPhone();
    const withLink = (linkPreview: boolean) =>
      outgoing(bob.jid, { kind: { case: "text", value: { text: "see https://example.org/", linkPreview } } });
    await send(withLink(true));
    await send(withLink(false));
    fixture.whatsapp.titleOf = () => {
      throw new Error("no preview");
    };
    await send(withLink(true));
    const titles = bob.shown.map(({ title }) => title);
    assert.deepEqual(titles, ["Title of https://example.org/", undefined, undefined]);
  });

  const file = (chatId: string, value: MessageInitShape<typeof OutgoingContent_FileSchema>, size: number) =>
    outgoing(chatId, { kind: { case: "file", value: { ...value, size: BigInt(size) } } });

  for (const [kind, mimetype, expected] of [
    [Kind.IMAGE, "image/png", { type: "image", caption: "look" }],
    [Kind.VIDEO, "video/mp4", { type: "video", caption: "look" }],
    [Kind.DOCUMENT, "image/png", { type: "document", filename: "plan.png", caption: "look" }],
    [Kind.VOICE, "audio/ogg; codecs=opus", { type: "ptt", bars: 64 }],
  ] as const) {
    it(`sends a file of ${mimetype} as ${expected.type}`, async () => {
      const bob = newPhone();
      const content = randomBytes(kind === Kind.DOCUMENT ? 2_000_000 : 20);
      const waveform = kind === Kind.VOICE ? randomBytes(64) : new Uint8Array();
      const caption = kind === Kind.VOICE ? "" : "look";
      const message = file(bob.jid, { kind, mimetype, filename: "plan.png", caption, waveform }, content.length);
      await sending().send(message, () => Readable.from([content.subarray(0, 5), content.subarray(5)]));
      const { media = assert.fail("it has no file") } = await bob.nextMessage();
      assert.partialDeepStrictEqual(media, { ...expected, mimetype });
      assert.ok(fixture.whatsapp.uploads.get(media.directPath)?.equals(content));
      assert.deepEqual((await reports.acks(message.id, 1))[0], ["SERVER"]);
    });
  }

  it("refuses a file that WhatsApp does not take, or of a kind that the page does not know", async () => {
    const bob = newPhone();
    const open = () => Readable.from([Buffer.from("x")]);
    fixture.whatsapp.uploadStatus = 413;
    const image = file(bob.jid, { kind: Kind.IMAGE, mimetype: "image/png" }, 1);
    await assert.rejects(sending().send(image, open), { reason: "MEDIA_UNAVAILABLE" });
    fixture.whatsapp.uploadStatus = undefined;
    const note = file(bob.jid, { kind: Kind.VIDEO_NOTE, mimetype: "video/mp4" }, 1);
    await assert.rejects(sending().send(note, open), { reason: "NOT_SUPPORTED" });
    assert.deepEqual(bob.shown, []);
  });

  it("fetches the file of a message that came, whole or from a byte on, until WhatsApp has it no more", async () => {
    const bob = newPhone();
    const { messageFiles = assert.fail("the engine fetches no files") } = engine.engine;
    const content = randomBytes(2_000_000);
    const shown = { mimetype: "application/pdf", filename: "plan.pdf" };
    const id = await bob.sendFileTo(session.phone, content, { type: "document", ...shown }, "look");
    const message = await reports.message(id);
    assert.partialDeepStrictEqual(message, { hasMedia: true, body: "look", media: shown });
    const found = (await messageFiles.find({ id, chatId: bob.jid, fromMe: false })) ?? assert.fail("no file");
    assert.partialDeepStrictEqual(found, { ...shown, size: content.length, sentAtMs: message.timestamp * 1_000 });
    for (const start of [0, 1_999_990, content.length]) {
      const parts = await collect(await found.open(start, new AbortController().signal));
      assert.ok(parts.every((part) => part.length < 1_000_000));
      assert.ok(Buffer.concat(parts).equals(content.subarray(start)));
    }
    // Readers that give up leave room for others.
    for (let left = 0; left < 5; left += 1) {
      const leaving = new AbortController();
      for await (const _ of await found.open(0, leaving.signal)) break;
      await found.open(0, leaving.signal);
      leaving.abort();
    }
    fixture.whatsapp.uploads.clear();
    await assert.rejects(found.open(0, new AbortController().signal), { name: "FileGone" });
    const text = await bob.sendTextTo(session.phone, "no file");
    await reports.message(text);
    for (const other of [text, "UNKNOWN"]) {
      assert.equal(await messageFiles.find({ id: other, chatId: bob.jid }), undefined);
    }
  });

  it("shows and hides that the account is typing", async () => {
    const bob = newPhone();
    await sending().setTyping(bob.jid, true);
    await sending().setTyping(bob.jid, false);
    // The page does not wait for WhatsApp's server.
    await fixture.whatsapp.until(() => session.phone.typing.length === 2);
    assert.deepEqual(session.phone.typing, [
      { chat: bob.jid, isTyping: true },
      { chat: bob.jid, isTyping: false },
    ]);
  });

  it("counts a message as handed over if WhatsApp does not answer in time", async () => {
    const bob = newPhone();
    answer("none");
    const message = outgoing(bob.jid, text("hello"));
    assert.equal((await send(message)).jid, `${bob.number}@s.whatsapp.net`);
    assert.deepEqual((await reports.acks(message.id, 1))[0], ["DEVICE"]);
    answer({});
  });

  it("sends a message again under its id if the connection is lost before WhatsApp has answered", async () => {
    const bob = newPhone();
    answer("lost");
    const message = outgoing(bob.jid, text("hello"));
    const sent = send(message);
    await fixture.whatsapp.until(() => timesSent(message.id) === 1);
    answer({});
    fixture.whatsapp.dropLinks();
    await sent;
    assert.deepEqual((await reports.acks(message.id, 1))[0], ["SERVER"]);
    assert.deepEqual([idsShown(bob), timesSent(message.id)], [[message.id], 2]);
  });

  it("sends what was under way when the browser was killed so that phones show it once", async () => {
    const answers: ServerAnswer[] = ["lost", "none", { delayMs: 0 }];
    const phones = answers.map(newPhone);
    for (const phone of phones) phone.confirmsDelivery = false;
    const messages = phones.map(({ jid }) => outgoing(jid, text("hello")));
    const [, , acknowledged = assert.fail()] = messages;
    fixture.whatsapp.answerTo = ({ id }) => answers[messages.findIndex((one) => one.id === id)] ?? {};
    const sent = messages.map((message) => send(message).catch((error: Error) => error.name));
    await fixture.whatsapp.until(() => messages.every(({ id }) => timesSent(id) === 1));
    await reports.acks(acknowledged.id, 1);
    for (const pid of await session.processes()) process.kill(pid, "SIGKILL");
    assert.deepEqual((await Promise.all(sent)).slice(0, 2), ["ConnectionLost", "ConnectionLost"]);
    await engine.engine.close();
    phones[2]?.confirm(session.phone, [acknowledged.id], { type: "read" });

    fixture.whatsapp.answerTo = () => ({});
    // The next engine reads again what the first one may not have committed.
    session.reportedUntilMs = 0;
    engine = session.open();
    await engine.until("opened");
    reports = new Reports(engine);
    await Promise.all(messages.map(send));
    for (const [i, { id }] of messages.entries()) {
      assert.notEqual((await reports.acks(id, 1))[0]?.[0], "ERROR");
      assert.deepEqual(
        phones[i]?.shown.map((one) => one.id),
        [id],
      );
    }
    assert.deepEqual(
      messages.map(({ id }) => timesSent(id)),
      [2, 2, 1],
    );
    assert.deepEqual((await reports.acks(acknowledged.id, 1))[0], ["READ"]);
    assert.deepEqual(
      reports.messageIds().filter((one) => one.startsWith("true_")),
      [],
    );
  });

  it("reports what people did to messages while no engine was open", async () => {
    const bob = newPhone();
    const ids = [];
    for (const body of ["wrogn", "oops", "nice"]) ids.push(await bob.sendTextTo(session.phone, body));
    const [edited = "", deleted = "", liked = ""] = ids;
    for (const id of ids) await reports.message(id);
    await engine.engine.close();
    const change = (kind: WebChange["kind"], id: string, body = "") =>
      bob.change(session.phone, { kind, target: { id, fromMe: true }, text: body });
    await change("edit", edited, "wrong");
    await change("revoke", deleted);
    await change("reaction", liked, "👍");
    engine = session.open();
    await engine.until("opened");
    reports = new Reports(engine);
    const found = [];
    for (const kind of ["messageEdited", "messageRevoked", "messageReaction"]) {
      const { value } = await reports.change((one) => one.case === kind);
      if ("editedMessageId" in value) found.push([value.editedMessageId, value.message?.body]);
      else if ("revokedMessageId" in value) found.push([value.revokedMessageId]);
      else found.push([value.reaction?.messageId, value.reaction?.text]);
    }
    assert.deepEqual(found, [[edited, "wrong"], [deleted], [`false_${bob.jid}_${liked}`, "👍"]]);
  });

  it("leaves a message to a page that sends it by itself, and addresses chats by LID where the page does", async () => {
    const bob = newPhone();
    answer("lost");
    const message = outgoing(bob.jid, text("hello"));
    const sent = assert.rejects(send(message), { name: "ConnectionLost" });
    await fixture.whatsapp.until(() => timesSent(message.id) === 1);
    await engine.engine.close();
    await sent;
    Object.assign(fixture.whatsapp, { sendsPending: true, chatsByLid: true });
    answer({});
    engine = session.open();
    await engine.until("opened");
    reports = new Reports(engine);
    await send(message);
    assert.deepEqual([timesSent(message.id), idsShown(bob)], [2, [message.id]]);

    for (const chatId of [bob.jid, bob.lid]) {
      const next = outgoing(chatId, text("again"));
      assert.equal((await send(next)).jid, bob.lid);
      await reports.acks(next.id, 2);
      assert.equal(bob.shown.at(-1)?.id, next.id);
      assert.ok(await sending().findMessage({ id: next.id, chatId: bob.jid, fromMe: true }));
    }
  });
});
