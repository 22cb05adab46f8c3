import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
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
import { FileGone, FileUnavailable } from "../../../src/ports/media.ts";
import { type Sending, SendRefused, type SentMessage } from "../../../src/ports/sending.ts";
import { EngineSession, type OpenEngine } from "../../contract/engine-session.ts";
import { type MediaKind, mediaIn } from "../../emulator/media.ts";
import { sendContent } from "../../emulator/messages.ts";
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

describe("a NOWEB engine that sends and fetches files", () => {
  let whatsapp: WhatsApp;
  let phone: Phone;
  let bob: Phone;
  let session: EngineSession;
  let engine: OpenEngine;
  const sent = new Map<string, SentMessage>();

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
    session.sentMessage = async (id) => sent.get(id);
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

  /** Sends the session a message with a file; returns the id that events show. */
  const receive = async (
    kind: MediaKind,
    content: Uint8Array,
    mimetype: string,
    more: object = {},
  ): Promise<string> => {
    const fields = { ...whatsapp.media.store(kind, content, mimetype), ...more };
    const id = await sendContent(whatsapp, bob, phone, { [kind]: fields });
    const shown = () => engine.seen.flatMap((event) => (event.type === "message" ? event.message : []));
    await whatsapp.until(() => shown().some((message) => message.id.includes(id)), "a message in the session");
    const message = shown().find((one) => one.id.includes(id)) ?? assert.fail();
    assert.deepEqual([message.hasMedia, message.media?.mimetype, message.media?.url], [true, mimetype, ""]);
    return id;
  };
  const find = async (id: string) => {
    const file = await engine.engine.messageFiles?.find({ id, chatId: `${bob.number}@c.us`, fromMe: false });
    return file ?? assert.fail("the file is not known");
  };
  const read = async (id: string, start = 0): Promise<Buffer> => {
    const parts = [];
    for await (const part of await (await find(id)).open(start, new AbortController().signal)) parts.push(part);
    return Buffer.concat(parts);
  };

  for (const [kind, mimetype] of [
    ["imageMessage", "image/jpeg"],
    ["videoMessage", "video/mp4"],
    ["ptvMessage", "video/mp4"],
    ["audioMessage", "audio/ogg; codecs=opus"],
    ["documentMessage", "application/pdf"],
    ["stickerMessage", "image/webp"],
  ] as const) {
    it(`fetches the file of a received ${kind}, from any byte on`, async () => {
      for (const size of [1, 16, 100_001]) {
        const content = randomBytes(size);
        const id = await receive(kind, content, mimetype, kind === "documentMessage" ? { fileName: "plan.pdf" } : {});
        const { filename, size: stated } = await find(id);
        assert.deepEqual([filename, stated], [kind === "documentMessage" ? "plan.pdf" : "", size]);
        assert.deepEqual(await read(id), content);
        for (const start of [1, 15, 16, 17, 31, 33, 50_000].filter((one) => one < size)) {
          assert.deepEqual(await read(id, start), content.subarray(start), `from ${start} of ${size}`);
        }
      }
    });
  }

  it("fetches the file of a message that it has sent itself", async () => {
    const content = randomBytes(1_000);
    const message = outgoing(bob, content, { kind: Kind.IMAGE, mimetype: "image/png" });
    const encoded = (await sending().upload?.(message, () => inPieces(content))) ?? assert.fail();
    sent.set(message.id, { jid: bob.jid, encoded });
    const file = await engine.engine.messageFiles?.find({ id: message.id, chatId: message.chatId, fromMe: true });
    assert.deepEqual([file?.mimetype, file?.size], ["image/png", 1_000]);
  });

  it("knows no file of another chat's message, and of no message", async () => {
    const id = await receive("imageMessage", randomBytes(10), "image/png");
    const files = engine.engine.messageFiles ?? assert.fail();
    assert.equal(await files.find({ id, chatId: "15550009999@c.us" }), undefined);
    assert.equal(await files.find({ id: "3EB0", chatId: `${bob.number}@c.us` }), undefined);
  });

  for (const [name, damage] of [
    ["changed", (file: Buffer) => file.map((byte, i) => (i === 20 ? byte ^ 1 : byte))],
    ["cut", (file: Buffer) => file.subarray(0, -16)],
    ["made longer", (file: Buffer) => Buffer.concat([file, Buffer.alloc(16)])],
    ["replaced by nothing", () => Buffer.alloc(0)],
  ] as const) {
    it(`refuses a file that was ${name} at WhatsApp`, async () => {
      const id = await receive("imageMessage", randomBytes(1_000), "image/png");
      const [path = "", file = Buffer.alloc(0)] = [...whatsapp.media.files].at(-1) ?? [];
      whatsapp.media.files.set(path, Buffer.from(damage(file)));
      await assert.rejects(read(id), FileUnavailable);
    });
  }

  it("asks no host that only a message names", async () => {
    const content = randomBytes(1_000);
    const trap = createServer(() => assert.fail("the host was asked")).listen(0, "127.0.0.1");
    await once(trap, "listening");
    const { port } = trap.address() as AddressInfo;
    for (const host of [`127.0.0.1:${port}`, `user@127.0.0.1:${port}`, `whatsapp.net.test:${port}`, "[::1]:1"]) {
      const id = await receive("imageMessage", content, "image/png", { url: `https://${host}/file.enc` });
      assert.deepEqual(await read(id), content);
    }
    trap.close();
  });

  it("asks the phone for a file that WhatsApp has removed, and remembers its new place", async () => {
    const content = randomBytes(1_000);
    const id = await receive("imageMessage", content, "image/png");
    const [path = "", file = Buffer.alloc(0)] = [...whatsapp.media.files].at(-1) ?? [];
    const event = engine.seen.findLast(({ type }) => type === "message");
    const raw = (event?.type === "message" ? event.message.data : undefined) as
      | { message?: { imageMessage?: { mediaKey?: string } } }
      | undefined;
    const mediaKey = Buffer.from(raw?.message?.imageMessage?.mediaKey ?? "", "base64");
    whatsapp.media.files.delete(path);
    whatsapp.reuploads.set(id, { mediaKey, directPath: whatsapp.media.put(file) });
    assert.deepEqual(await read(id), content);
    whatsapp.reuploads.delete(id);
    assert.deepEqual(await read(id), content);
  });

  it("reports a file as gone if the phone no longer has it", async () => {
    const id = await receive("imageMessage", randomBytes(1_000), "image/png");
    whatsapp.media.files.clear();
    whatsapp.reuploads.set(id, { mediaKey: Buffer.alloc(32), directPath: undefined });
    await assert.rejects(read(id), FileGone);
  });

  it("fetches a file after a restart", async () => {
    const content = randomBytes(1_000);
    const id = await receive("imageMessage", content, "image/png");
    await engine.engine.close();
    engine = session.open();
    await engine.until("opened");
    void engine.rest();
    assert.deepEqual(await read(id), content);
  });
});
