import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, beforeEach, describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  OutgoingContent_File_Kind as Kind,
  type OutgoingContent_FileSchema,
  OutgoingContentSchema,
  type OutgoingMessage,
  OutgoingMessageSchema,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { type Sending, SendRefused } from "../../../src/ports/sending.ts";
import { EngineSession, type OpenEngine } from "../../contract/engine-session.ts";
import { mediaIn } from "../../emulator/media.ts";
import type { Phone } from "../../emulator/phone.ts";
import { startWhatsApp, type WhatsApp } from "../../emulator/whatsapp.ts";

let nextId = 0;

const outgoing = (
  phone: Phone,
  content: Uint8Array,
  file: MessageInitShape<typeof OutgoingContent_FileSchema>,
  mentions: string[] = [],
): OutgoingMessage => {
  nextId += 1;
  const value = { size: BigInt(content.length), ...file };
  return create(OutgoingMessageSchema, {
    id: `3EB0${String(nextId).padStart(18, "0")}`,
    chatId: `${phone.number}@c.us`,
    content: create(OutgoingContentSchema, { kind: { case: "file", value }, mentions }),
  });
};

async function* inPieces(content: Uint8Array, size = 1_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

describe("a NOWEB engine that sends files", () => {
  let whatsapp: WhatsApp;
  let phone: Phone;
  let bob: Phone;
  let session: EngineSession;
  let engine: OpenEngine;

  const sending = (): Sending => engine.engine.sending ?? assert.fail("the engine cannot send");
  /** Uploads and sends a file; returns the content that the phone shows. */
  const send = async (message: OutgoingMessage, content: Uint8Array) => {
    const encoded = await sending().upload?.(message, () => inPieces(content));
    assert.ok(encoded);
    await sending().send({ ...message, encoded });
    const shown = await bob.nextMessage(({ id }) => id === message.id);
    return shown.content;
  };

  before(async () => {
    whatsapp = await startWhatsApp();
    phone = whatsapp.phone();
    bob = whatsapp.phone();
    session = new EngineSession(createBaileysFactory({ clock: systemClock, waWebSocketUrl: whatsapp.url }));
    engine = await session.openLoggedIn(({ seen }) => {
      const qr = seen.findLast((event) => event.type === "qr");
      return phone.scan(qr?.value ?? "");
    });
    await whatsapp.waitForLogin(phone.devices[0] ?? assert.fail());
    // An engine sends nothing while its reports are unread.
    void engine.rest();
  });
  beforeEach(() => {
    whatsapp.media.fault = () => false;
    whatsapp.media.requests.length = 0;
  });
  after(async () => {
    await session.close();
    await whatsapp.close();
    assert.deepEqual([whatsapp.faults, whatsapp.media.faults], [[], []]);
  });

  const waveform = Uint8Array.from({ length: 64 }, (_, i) => i);
  for (const [kind, shownAs, mimetype, file, fields] of [
    [Kind.IMAGE, "imageMessage", "image/png", { caption: "look" }, { caption: "look" }],
    [
      Kind.DOCUMENT,
      "documentMessage",
      "application/pdf",
      { filename: "plan.pdf", caption: "the plan" },
      { fileName: "plan.pdf", caption: "the plan" },
    ],
    [Kind.DOCUMENT, "documentMessage", "application/octet-stream", {}, { fileName: "file" }],
    [Kind.VIDEO, "videoMessage", "video/mp4", { seconds: 3, caption: "watch" }, { seconds: 3, caption: "watch" }],
    [Kind.VIDEO_NOTE, "ptvMessage", "video/mp4", { seconds: 3 }, { seconds: 3 }],
    [
      Kind.VOICE,
      "audioMessage",
      "audio/ogg; codecs=opus",
      { seconds: 7, waveform },
      { seconds: 7, ptt: true, waveform },
    ],
  ] as const) {
    it(`shows a file of kind ${Kind[kind]} as ${shownAs}, with the content that was given`, async () => {
      for (const size of [1, 15, 16, 17, 100_000]) {
        const content = randomBytes(size);
        const shown = await send(outgoing(bob, content, { kind, mimetype, ...file }), content);
        const [found, media] = mediaIn(shown);
        assert.deepEqual([found, media.mimetype], [shownAs, mimetype]);
        for (const [name, value] of Object.entries(fields)) {
          const shownValue: unknown = Reflect.get(media, name);
          const plain = shownValue instanceof Uint8Array ? Uint8Array.from(shownValue) : shownValue;
          assert.deepEqual(plain, value, name);
        }
        assert.deepEqual(whatsapp.media.open(shown), content);
      }
    });
  }

  it("mentions persons and quotes a message in a caption", async () => {
    const quotedId = await bob.sendTextTo(phone, "a question");
    await whatsapp.until(() => engine.seen.some(({ type }) => type === "message"), "the question in the session");
    const content = randomBytes(100);
    const message = outgoing(bob, content, { kind: Kind.IMAGE, mimetype: "image/png" }, [`${bob.number}@c.us`]);
    const key = await sending().findMessage({ id: quotedId, chatId: message.chatId });
    assert.ok(message.content && key);
    message.content.replyTo = key;
    const context = (await send(message, content)).imageMessage?.contextInfo;
    assert.deepEqual(
      [context?.stanzaId, context?.quotedMessage?.conversation, context?.mentionedJid],
      [quotedId, "a question", [bob.jid]],
    );
  });

  it("tries again after a host has failed, and after it has refused the authorization", async () => {
    for (const status of [500, 401, 503]) {
      let failures = 1;
      whatsapp.media.fault = (request, response) => {
        if (failures-- <= 0) return false;
        request.resume();
        response.writeHead(status).end();
        return true;
      };
      const content = randomBytes(1_000);
      const shown = await send(outgoing(bob, content, { kind: Kind.IMAGE, mimetype: "image/png" }), content);
      assert.deepEqual(whatsapp.media.open(shown), content);
    }
  });

  for (const [status, reason] of [
    [413, "MEDIA_REFUSED"],
    [500, "MEDIA_UNAVAILABLE"],
  ] as const) {
    it(`refuses the message with ${reason} if WhatsApp answers ${status}, and sends nothing`, async () => {
      whatsapp.media.fault = (request, response) => {
        request.resume();
        response.writeHead(status).end();
        return true;
      };
      const content = randomBytes(1_000);
      const message = outgoing(bob, content, { kind: Kind.IMAGE, mimetype: "image/png" });
      await assert.rejects(
        async () => sending().upload?.(message, () => inPieces(content)),
        (error) => error instanceof SendRefused && error.reason === reason,
      );
      assert.ok(!phone.devices[0]?.ledger.sent.includes(message.id));
    });
  }
});
