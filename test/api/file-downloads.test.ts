import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { MessagePayloadSchema } from "../../gen/sessiond/v1/event_pb.js";
import { EventService } from "../../gen/sessiond/v1/event_service_pb.js";
import { MessageService } from "../../gen/sessiond/v1/message_service_pb.js";
import { MeSchema, Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { FileGone, FileUnavailable, type MessageFile } from "../../src/ports/media.ts";
import { openHarness } from "./harness.ts";

const me = create(MeSchema, { id: "79111111@c.us", pushName: "WAHA" });
const content = randomBytes(200_000);
const chat = "11111111111@c.us";
let directory: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "files-"));
});
after(() => rm(directory, { recursive: true, force: true }));

/** Opens a server with the WORKING session "default", whose engine knows one file, of message "AAAA". */
async function openWorking(t: TestContext, file: Partial<MessageFile> = {}, env: Record<string, string> = {}) {
  const harness = await openHarness(t, { WAHA_LOCAL_STORE_BASE_DIR: directory, ...env });
  await harness.sessions.createSession({ name: "default", start: true });
  harness.engine().report({ type: "paired", me });
  harness.engine().report({ type: "opened", me });
  await harness.until("default", Status.WORKING);
  harness.engine().known.set("AAAA", {
    mimetype: "image/jpeg",
    filename: "",
    size: content.length,
    sentAtMs: harness.clock.wallMs(),
    async open(start) {
      return (async function* () {
        for (let at = start; at < content.length; at += 10_000) yield content.subarray(at, at + 10_000);
      })();
    },
    ...file,
  });
  const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
    fetch(`${harness.url}${path}`, { headers, method });
  const transport = createGrpcTransport({ baseUrl: harness.url });
  return { ...harness, get, messages: createClient(MessageService, transport), transport };
}

const path = `/api/files/default/false_${chat}_AAAA.jpeg`;
const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());

describe("GET /api/files", () => {
  it("streams the file with its type, shown by browsers and never run", async (t) => {
    const { get } = await openWorking(t);
    const response = await get(path);
    assert.equal(response.status, 200);
    for (const [name, value] of Object.entries({
      "content-type": "image/jpeg",
      "content-length": String(content.length),
      "content-disposition": "inline",
      "accept-ranges": "bytes",
      "x-content-type-options": "nosniff",
      "content-security-policy": "sandbox; default-src 'none'",
    })) {
      assert.equal(response.headers.get(name), value);
    }
    assert.deepEqual(await bytesOf(response), content);
  });

  for (const [range, status, start, end] of [
    ["bytes=0-99", 206, 0, 100],
    ["bytes=100-", 206, 100, content.length],
    ["bytes=-7", 206, content.length - 7, content.length],
    ["bytes=150000-999999", 206, 150_000, content.length],
    ["bytes=0-1,5-6", 200, 0, content.length],
    ["lines=1-2", 200, 0, content.length],
  ] as const) {
    it(`answers the range ${range} with ${status}`, async (t) => {
      const { get } = await openWorking(t);
      const response = await get(path, { range });
      assert.equal(response.status, status);
      const contentRange = status === 206 ? `bytes ${start}-${end - 1}/${content.length}` : null;
      assert.equal(response.headers.get("content-range"), contentRange);
      assert.deepEqual(await bytesOf(response), content.subarray(start, end));
    });
  }

  it("refuses a range beyond the end with 416", async (t) => {
    const { get } = await openWorking(t);
    const response = await get(path, { range: `bytes=${content.length}-` });
    assert.deepEqual([response.status, response.headers.get("content-range")], [416, `bytes */${content.length}`]);
  });

  it("answers HEAD without asking WhatsApp", async (t) => {
    const { get } = await openWorking(t, { open: async () => assert.fail("it was opened") });
    const response = await get(path, {}, "HEAD");
    assert.deepEqual([response.status, response.headers.get("content-length")], [200, String(content.length)]);
  });

  for (const [mimetype, filename, type, disposition] of [
    ["text/html", "", "text/html", "attachment"],
    ["image/svg+xml", "x.svg", "image/svg+xml", "attachment; filename=\"x.svg\"; filename*=UTF-8''x.svg"],
    [
      "application/pdf",
      'a"b\r\nSet-Cookie: x',
      "application/pdf",
      /^attachment; filename="a_b__Set-Cookie: x"; filename\*=UTF-8''a%22b%0D%0A/,
    ],
    [
      "application/pdf",
      "plän 1.pdf",
      "application/pdf",
      "attachment; filename=\"pl_n 1.pdf\"; filename*=UTF-8''pl%C3%A4n%201.pdf",
    ],
    ["audio/ogg; codecs=opus", "", "audio/ogg; codecs=opus", "inline"],
    ["image/png\r\nX: y", "", "application/octet-stream", "attachment"],
    ["no type", "", "application/octet-stream", "attachment"],
  ] as const) {
    it(`serves ${JSON.stringify(mimetype)} named ${JSON.stringify(filename)} safely`, async (t) => {
      const { get } = await openWorking(t, { mimetype, filename });
      const { headers } = await get(path);
      assert.equal(headers.get("content-type"), type);
      const found = headers.get("content-disposition") ?? "";
      if (typeof disposition === "string") assert.equal(found, disposition);
      else assert.match(found, disposition);
    });
  }

  const failing = (error: Error) => ({
    open: async () => {
      throw error;
    },
  });
  for (const [name, file, url, status] of [
    ["an unknown message", {}, `/api/files/default/false_${chat}_BBBB.jpeg`, 404],
    ["an unknown session", {}, `/api/files/nobody/false_${chat}_AAAA.jpeg`, 404],
    ["an id that is none", {}, "/api/files/default/picture.jpeg", 400],
    ["a path that leads elsewhere", {}, "/api/files/default/..%2F..%2Fetc%2Fpasswd", 400],
    ["a file that is gone", failing(new FileGone("is no longer at WhatsApp")), path, 410],
    ["a file that WhatsApp does not hand out", failing(new FileUnavailable("could not be fetched")), path, 503],
    ["too large a file", { size: 2 ** 40 }, path, 413],
    ["a file whose lifetime has ended", { sentAtMs: 0 }, path, 410],
  ] as const) {
    it(`answers ${status} for ${name}`, async (t) => {
      const { get } = await openWorking(t, file, { WHATSAPP_FILES_LIFETIME: "3600" });
      const response = await get(url);
      const { statusCode, message } = await response.json();
      assert.deepEqual([response.status, statusCode], [status, status]);
      assert.ok([message].flat().join("").length > 10);
    });
  }

  for (const [name, end] of [
    ["fails on the way", () => Promise.reject(new FileUnavailable("was changed"))],
    ["ends early", async () => {}],
  ] as const) {
    it(`cuts the connection if the file ${name}, so that no client takes it for whole`, async (t) => {
      const { get } = await openWorking(t, {
        async open() {
          return (async function* () {
            yield content.subarray(0, 50_000);
            yield content.subarray(50_000, name === "ends early" ? 60_000 : content.length);
            await end();
          })();
        },
      });
      await assert.rejects(async () => bytesOf(await get(path)));
    });
  }

  it("needs the key, by header or query, which the URL in events does not contain", async (t) => {
    const { url } = await openHarness(t, { WAHA_API_KEY: "secret", WAHA_LOCAL_STORE_BASE_DIR: directory });
    assert.equal((await fetch(`${url}${path}`)).status, 401);
    assert.equal((await fetch(`${url}${path}`, { headers: { "x-api-key": "wrong" } })).status, 401);
    assert.equal((await fetch(`${url}${path}`, { headers: { "x-api-key": "secret" } })).status, 404);
    assert.equal((await fetch(`${url}${path}?x-api-key=secret`)).status, 404);
  });
});

describe("the file of a message", () => {
  /** Reports a message with a picture; returns it as the stream of events shows it. */
  async function shown(t: TestContext, env: Record<string, string>) {
    const { engine, url, transport } = await openWorking(t, {}, env);
    const message = create(MessagePayloadSchema, {
      id: `false_${chat}_AAAA`,
      from: chat,
      to: me.id,
      hasMedia: true,
      media: { mimetype: "image/jpeg", filename: "" },
      replyTo: { id: "BBBB", participant: chat, hasMedia: true, media: { mimetype: "video/mp4" } },
    });
    const ending = new AbortController();
    const events = createClient(EventService, transport).streamEvents(
      { names: ["message"], cursor: 0n },
      { signal: ending.signal },
    );
    engine().report({ type: "message", message });
    for await (const { item } of events) {
      if (item.case !== "event" || item.value.payload.case !== "message") continue;
      ending.abort();
      return { url, payload: item.value.payload.value };
    }
    throw new Error("no message came");
  }

  it("is shown with a URL of this server", async (t) => {
    const { url, payload } = await shown(t, {});
    assert.equal(payload.media?.url, `${url}${path}`);
    assert.equal(payload.replyTo?.media?.url, `${url}/api/files/default/false_${chat}_BBBB.mp4`);
  });

  it("is shown under the host name for URLs", async (t) => {
    const { payload } = await shown(t, { WHATSAPP_API_HOSTNAME: "localhost" });
    assert.match(payload.media?.url ?? "", /^http:\/\/localhost:\d+\/api\/files\//);
  });

  for (const [name, env, isShown] of [
    ["WHATSAPP_DOWNLOAD_MEDIA is false", { WHATSAPP_DOWNLOAD_MEDIA: "false" }, false],
    ["its type is not among WHATSAPP_FILES_MIMETYPES", { WHATSAPP_FILES_MIMETYPES: "audio/,video/mp4" }, false],
    ["its type begins as one of WHATSAPP_FILES_MIMETYPES", { WHATSAPP_FILES_MIMETYPES: "audio/, image/" }, true],
  ] as const) {
    it(`is ${isShown ? "shown" : "not shown"} if ${name}`, async (t) => {
      const { payload } = await shown(t, env);
      assert.deepEqual([payload.hasMedia, payload.media !== undefined], [true, isShown]);
      const isVideoShown = env.WHATSAPP_FILES_MIMETYPES?.includes("video/") ?? false;
      assert.deepEqual([payload.replyTo?.hasMedia, payload.replyTo?.media !== undefined], [true, isVideoShown]);
    });
  }

  it("is streamed by DownloadMedia", async (t) => {
    const { messages } = await openWorking(t, { filename: "x.jpeg" });
    const parts = [];
    const facts = [];
    for await (const part of messages.downloadMedia({ session: "default", id: `false_${chat}_AAAA` })) {
      parts.push(part.content);
      if (part.mimetype !== "") facts.push(part.mimetype, part.filename, Number(part.size));
    }
    assert.deepEqual(facts, ["image/jpeg", "x.jpeg", content.length]);
    assert.deepEqual(Buffer.concat(parts), content);
  });
});

describe("an uploaded file", () => {
  /** Names of the files in the spool. */
  const spooled = async () =>
    (await readdir(join(directory, "files"), { recursive: true, withFileTypes: true }).catch(() => []))
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);
  const picture = { mimetype: "application/octet-stream", filename: "x.bin" };

  it("can be sent by its id and by its URL, more than once, for an hour", async (t) => {
    const { url, engine, messages, clock } = await openWorking(t);
    const response = await fetch(`${url}/api/default/media`, { method: "POST", body: content });
    const upload = await response.json();
    assert.deepEqual([response.status, upload.size], [201, content.length]);
    const send = (file: object) =>
      messages.sendFile({ session: "default", chatId: chat, file: { ...picture, ...file } }).then(
        () => "sent",
        (error: Error) => error.message,
      );
    assert.deepEqual([await send({ mediaId: upload.id }), await send({ url: upload.url })], ["sent", "sent"]);
    assert.deepEqual(engine().files, [content, content]);
    clock.advance(3_600_000);
    assert.match(await send({ mediaId: upload.id }), /file\.mediaId names no uploaded file/);
    while ((await spooled()).length > 0) await new Promise(setImmediate);
  });

  it("can be uploaded as a stream", async (t) => {
    const { engine, messages } = await openWorking(t);
    async function* parts() {
      yield { session: "default", content: content.subarray(0, 10) };
      for (let at = 10; at < content.length; at += 30_000) yield { content: content.subarray(at, at + 30_000) };
    }
    const { id, size } = await messages.uploadMedia(parts());
    assert.equal(Number(size), content.length);
    await messages.sendFile({ session: "default", chatId: chat, file: { ...picture, mediaId: id } });
    assert.deepEqual(engine().files, [content]);
  });

  for (const [name, session, body, status] of [
    ["an unknown session", "nobody", content, 404],
    ["nothing", "default", Buffer.alloc(0), 400],
    ["too much", "default", Buffer.alloc(300_001), 413],
  ] as const) {
    it(`is refused with ${status} for ${name}`, async (t) => {
      const { url } = await openWorking(t, {}, { SESSIOND_MAX_FILE_BYTES: "300000" });
      const response = await fetch(`${url}/api/${session}/media`, { method: "POST", body });
      assert.equal(response.status, status);
      assert.deepEqual(await spooled(), []);
    });
  }

  it("of one session cannot be sent by another", async (t) => {
    const { url, sessions } = await openWorking(t);
    await sessions.createSession({ name: "other", start: false });
    const upload = await (await fetch(`${url}/api/other/media`, { method: "POST", body: content })).json();
    const response = await fetch(`${url}/api/sendFile`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ session: "default", chatId: chat, file: { ...picture, mediaId: upload.id } }),
    });
    assert.equal(response.status, 400);
  });
});
