import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { setImmediate as immediate } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { OutgoingContent_File_Kind as Kind } from "../../gen/sessiond/store/v1/store_pb.js";
import { MeSchema, Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { literals } from "../support/private-destinations.ts";
import { openHarness } from "./harness.ts";

const me = create(MeSchema, { id: "79111111@c.us", pushName: "WAHA" });
const maxBytes = 300_000;
const png = Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), randomBytes(200_000)]);

let directory: string;
let files: Server;
let origin: string;
const asked: string[] = [];
/** Where /away leads to. */
let target = "";

const answers: Readonly<Record<string, RequestListener>> = {
  "/my%20picture.png": (_, response) => response.end(png),
  "/empty": (_, response) => response.end(),
  "/page": (_, response) => response.end("<!DOCTYPE html><html><body>Please log in</body></html>"),
  "/large": (_, response) => response.end(Buffer.alloc(maxBytes + 1)),
  "/missing": (_, response) => response.writeHead(404).end(),
  "/inside": (_, response) => response.writeHead(302, { location: "http://127.0.0.2:1/" }).end(),
  "/metadata": (_, response) => response.writeHead(307, { location: "http://169.254.169.254/latest/meta-data" }).end(),
  "/away": (_, response) => response.writeHead(301, { location: target }).end(),
  "/short": (_, response) => {
    response.writeHead(200, { "content-length": 1_000 }).write("x");
    setImmediate(() => response.destroy());
  },
};

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "files-"));
  files = createServer((request, response) => {
    const { url = "" } = request;
    asked.push(url);
    (answers[url] ?? ((_, other) => other.writeHead(500).end()))(request, response);
  });
  files.listen(0, "127.0.0.1");
  await once(files, "listening");
  origin = `http://127.0.0.1:${(files.address() as AddressInfo).port}`;
});
after(async () => {
  files.close();
  await rm(directory, { recursive: true, force: true });
});

/** Opens a server with the WORKING session "default", which fetches from 127.0.0.1 and no other private address. */
async function openWorking(t: TestContext, env: Record<string, string> = { SESSIOND_WEBHOOK_ALLOW: "127.0.0.1" }) {
  const harness = await openHarness(t, {
    WAHA_LOCAL_STORE_BASE_DIR: directory,
    SESSIOND_MAX_FILE_BYTES: String(maxBytes),
    ...env,
  });
  await harness.sessions.createSession({ name: "default", start: true });
  harness.engine().report({ type: "paired", me });
  harness.engine().report({ type: "opened", me });
  await harness.until("default", Status.WORKING);
  const post = async (path: string, body: object, headers: Record<string, string> = {}) => {
    const response = await fetch(`${harness.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ session: "default", chatId: "11111111111@c.us", ...body }),
    });
    return { status: response.status, body: await response.json() };
  };
  return { ...harness, post };
}

/** Names of the files in the spool. */
async function spooled(): Promise<string[]> {
  const entries = await readdir(join(directory, "files"), { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

const base64 = png.toString("base64");

describe("sending a file over REST", () => {
  for (const [path, kind, file, more] of [
    ["/api/sendImage", Kind.IMAGE, { mimetype: "image/png", data: base64 }, { caption: "look" }],
    ["/api/sendImage", Kind.IMAGE, { mimetype: "image/png", filename: "x.png", url: "/my%20picture.png" }, {}],
    ["/api/sendImage", Kind.IMAGE, { mimetype: "image/jpeg", data: `data:image/png;base64,${base64}` }, {}],
    ["/api/sendFile", Kind.DOCUMENT, { mimetype: "application/octet-stream", url: "/my%20picture.png" }, {}],
    ["/api/sendFile", Kind.DOCUMENT, { mimetype: "image/png", data: base64.replace(/.{76}/g, "$&\r\n") }, {}],
    ["/api/sendVoice", Kind.VOICE, { mimetype: "audio/ogg; codecs=opus", data: "T2dnUw" }, { convert: false }],
    ["/api/sendVideo", Kind.VIDEO, { mimetype: "video/mp4", data: "AAAA" }, { convert: false, asNote: false }],
    ["/api/sendVideo", Kind.VIDEO_NOTE, { mimetype: "video/mp4", data: "AAAA" }, { asNote: true }],
  ] as const) {
    it(`POST ${path} takes ${Object.keys(file).join(", ")} and ${Object.keys(more).join(", ") || "nothing else"}`, async (t) => {
      const { post, engine } = await openWorking(t);
      const given = "url" in file ? { ...file, url: origin + file.url } : file;
      const { status, body } = await post(path, { file: given, ...more });
      assert.equal(status, 201, JSON.stringify(body));
      assert.deepEqual([body.hasMedia, body.ack, body.body], [true, 1, "caption" in more ? more.caption : ""]);
      const [message] = engine().sent;
      const content = message?.content?.kind;
      assert.equal(content?.case === "file" && content.value.kind, kind);
      const expected = "url" in file || file.data.length > 100 ? png : Buffer.from(file.data, "base64");
      assert.deepEqual(engine().files, [expected]);
      // The answer does not wait for the file to be removed.
      while ((await spooled()).length > 0) await immediate();
    });
  }

  it("names a file after its URL", async (t) => {
    const { post, engine } = await openWorking(t);
    await post("/api/sendFile", { file: { mimetype: "image/png", url: `${origin}/my%20picture.png` } });
    const content = engine().sent[0]?.content?.kind;
    assert.equal(content?.case === "file" && content.value.filename, "my picture.png");
  });

  it("fetches nothing again for a repeated request, and sends it once", async (t) => {
    const { post, engine } = await openWorking(t);
    const file = { mimetype: "image/png", url: `${origin}/my%20picture.png` };
    const first = asked.length;
    for (const headers of [{ "idempotency-key": "one" }, { "idempotency-key": "one" }]) {
      assert.equal((await post("/api/sendImage", { file }, headers)).status, 201);
    }
    for (const _ of [1, 2]) assert.equal((await post("/api/sendImage", { file, id: "3EB0CAFE" })).status, 201);
    assert.deepEqual([asked.length - first, engine().sent.length], [2, 2]);
    const other = await post("/api/sendImage", { file, caption: "other" }, { "idempotency-key": "one" });
    assert.deepEqual([other.status, asked.length - first], [422, 2]);
  });

  const picture = { mimetype: "image/png", data: base64 };
  for (const [name, path, body, field] of [
    ["no file", "/api/sendImage", {}, /^file /],
    ["neither url nor data", "/api/sendImage", { file: { mimetype: "image/png" } }, /^file /],
    ["both url and data", "/api/sendImage", { file: { ...picture, url: "http://a.test/" } }, /^file /],
    ["no mimetype", "/api/sendImage", { file: { data: base64 } }, /^file\.mimetype /],
    ["a mimetype that is none", "/api/sendFile", { file: { mimetype: "picture", data: base64 } }, /^file\.mimetype /],
    [
      "a mimetype of another kind",
      "/api/sendImage",
      { file: { ...picture, mimetype: "video/mp4" } },
      /^file\.mimetype /,
    ],
    [
      "a mimetype that lies",
      "/api/sendFile",
      { file: { ...picture, mimetype: "application/pdf" } },
      /^file\.mimetype /,
    ],
    [
      "a page in place of a picture",
      "/api/sendImage",
      { file: { mimetype: "image/png", url: "/page" } },
      /^file\.mimetype /,
    ],
    ["base64 that is none", "/api/sendImage", { file: { ...picture, data: "%%%%" } }, /^file\.data /],
    ["base64 that is cut", "/api/sendImage", { file: { ...picture, data: "iVBORw0KG" } }, /^file\.data /],
    ["base64 of nothing", "/api/sendImage", { file: { ...picture, data: "====" } }, /^file\.data /],
    [
      "too large a file",
      "/api/sendFile",
      { file: { ...picture, data: randomBytes(maxBytes + 1).toString("base64") } },
      /^file\.data /,
    ],
    ["too large a file at a URL", "/api/sendFile", { file: { mimetype: "image/png", url: "/large" } }, /^file\.url /],
    [
      "an empty file at a URL",
      "/api/sendImage",
      { file: { mimetype: "image/png", url: "/empty" } },
      /^file\.url is empty/,
    ],
    [
      "a missing file at a URL",
      "/api/sendImage",
      { file: { mimetype: "image/png", url: "/missing" } },
      /^file\.url .*404/,
    ],
    ["a URL that is cut short", "/api/sendFile", { file: { mimetype: "image/png", url: "/short" } }, /^file\.url /],
    [
      "a URL that leads inside",
      "/api/sendImage",
      { file: { mimetype: "image/png", url: "/inside" } },
      /^file\.url .*not allowed/,
    ],
    [
      "a URL that leads to metadata",
      "/api/sendImage",
      { file: { mimetype: "image/png", url: "/metadata" } },
      /^file\.url .*not allowed/,
    ],
    [
      "a private URL",
      "/api/sendImage",
      { file: { mimetype: "image/png", url: "http://[::1]:1/" } },
      /^file\.url .*not allowed/,
    ],
    ["a URL that is none", "/api/sendImage", { file: { mimetype: "image/png", url: "nowhere" } }, /^file\.url /],
    [
      "a file of this machine",
      "/api/sendImage",
      { file: { mimetype: "image/png", url: "file:///etc/passwd" } },
      /^file\.url /,
    ],
    [
      "conversion of a recording",
      "/api/sendVoice",
      { file: { mimetype: "audio/mpeg", data: "SUQz" }, convert: true },
      /^convert /,
    ],
    [
      "conversion of a video",
      "/api/sendVideo",
      { file: { mimetype: "video/mp4", data: "AAAA" }, convert: true },
      /^convert /,
    ],
    ["too long a caption", "/api/sendImage", { file: picture, caption: "x".repeat(1_025) }, /^caption /],
    ["too long a name", "/api/sendFile", { file: { ...picture, filename: "x".repeat(256) } }, /^file\.filename /],
    [
      "a waveform of 3 bars",
      "/api/sendVoice",
      { file: { mimetype: "audio/ogg", data: "T2dnUw" }, waveform: "AAAA" },
      /^waveform /,
    ],
  ] as const) {
    it(`refuses ${name} with 400, names the field and sends nothing`, async (t) => {
      const { post, engine } = await openWorking(t);
      const file = "file" in body && "url" in body.file && body.file.url.startsWith("/");
      const given = file ? { ...body, file: { ...body.file, url: origin + body.file.url } } : body;
      const { status, body: answer } = await post(path, given);
      assert.equal(status, 400, JSON.stringify(answer));
      assert.match([answer.message].flat().join("; "), field);
      assert.deepEqual([engine().sent, await spooled()], [[], []]);
    });
  }

  it("takes bodies with a file of up to 50 MiB, and refuses larger ones with 413 and what to do", async (t) => {
    const { post, url } = await openWorking(t, { SESSIOND_MAX_FILE_BYTES: "12000000" });
    const data = randomBytes(11_000_000).toString("base64");
    const sent = await post("/api/sendFile", { file: { mimetype: "application/octet-stream", data } });
    assert.equal(sent.status, 201, JSON.stringify(sent.body));
    for (const [path, size, limit, advice] of [
      ["/api/sendFile", 51 * 1_048_576, 52_428_800, /file\.url in place of file\.data, or upload it .*file\.mediaId$/],
      ["/api/sendText", 11 * 1_048_576, 10_485_760, /SESSIOND_MAX_BODY_BYTES sets$/],
    ] as const) {
      const response = await fetch(url + path, { method: "POST", body: new Uint8Array(size) });
      const { statusCode, message } = await response.json();
      assert.deepEqual([response.status, statusCode], [413, 413]);
      assert.match(message, new RegExp(`^Body is larger than ${limit} bytes, the limit that SESSIOND_MAX_BODY_BYTES`));
      assert.match(message, advice);
    }
  });

  it("fetches from no private address by default, however the URL writes it", async (t) => {
    const { post, engine } = await openWorking(t, {});
    const { port } = new URL(origin);
    const first = asked.length;
    for (const host of [...literals, "localhost", "LOCALHOST", "user:pass@127.0.0.1", "8.8.8.8@127.0.0.1"]) {
      const url = `http://${host}:${port}/my%20picture.png`;
      const { status, body } = await post("/api/sendImage", { file: { mimetype: "image/png", url } });
      assert.equal(status, 400, url);
      assert.match(
        [body.message].flat().join("; "),
        /^file\.url .*(not allowed .*SESSIOND_WEBHOOK_ALLOW|must be an)/,
        url,
      );
    }
    assert.deepEqual([asked.length - first, engine().sent, await spooled()], [0, [], []]);
  });

  it("follows no redirect of an allowed address to another one", async (t) => {
    const { post, engine } = await openWorking(t);
    for (const host of literals.filter((one) => new URL(`http://${one}/`).hostname !== "127.0.0.1")) {
      target = `http://${host}:1/`;
      const { status, body } = await post("/api/sendImage", { file: { mimetype: "image/png", url: `${origin}/away` } });
      assert.equal(status, 400, target);
      assert.match([body.message].flat().join("; "), /^file\.url .*not allowed/, target);
    }
    assert.deepEqual([engine().sent, await spooled()], [[], []]);
  });

  it("fetches from private addresses once the guard is off", async (t) => {
    const { post } = await openWorking(t, { SESSIOND_WEBHOOK_GUARD: "false" });
    const file = { mimetype: "image/png", url: `${origin}/my%20picture.png` };
    assert.equal((await post("/api/sendImage", { file })).status, 201);
  });
});
