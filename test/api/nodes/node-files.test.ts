import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { MessageService } from "../../../gen/sessiond/v1/message_service_pb.js";
import { MeSchema, Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { FileGone } from "../../../src/ports/media.ts";
import { startTwoNodes } from "../../support/two-nodes.ts";

const content = randomBytes(150_000);
const messageId = "false_11111111111@c.us_AAAA";
const me = create(MeSchema, { id: "79111111@c.us", pushName: "WAHA" });

/** Starts two nodes. Node "b" owns the session "alice", which knows a file. */
async function startWithFile(t: TestContext, open = async (start: number) => parts(content.subarray(start))) {
  const { a, b } = await startTwoNodes(t);
  await createClient(SessionService, createGrpcTransport({ baseUrl: b.url })).createSession({ name: "alice" });
  b.engine().report({ type: "paired", me });
  b.engine().report({ type: "opened", me });
  await b.until("alice", Status.WORKING);
  const file = { mimetype: "image/png", filename: "x.png", size: content.length, sentAtMs: 0, open };
  b.engine().known.set("AAAA", file);
  return { a, b };
}

async function* parts(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 20_000) yield bytes.subarray(at, at + 20_000);
}

describe("a file of a session that another node owns", () => {
  it("is passed on over REST as its owner serves it, also from the middle", async (t) => {
    const { a, b } = await startWithFile(t);
    const path = `/api/files/alice/${messageId}.png`;
    for (const range of ["", "bytes=100000-", "bytes=-5", "bytes=999999-"]) {
      const [here, there] = await Promise.all(
        [a, b].map(async ({ url }) => {
          const response = await fetch(url + path, range === "" ? {} : { headers: { range } });
          const names = ["content-type", "content-length", "content-range", "content-disposition"];
          const headers = names.map((name) => response.headers.get(name));
          return [response.status, headers, Buffer.from(await response.arrayBuffer()).toString("base64")];
        }),
      );
      assert.deepEqual(here, there, range);
    }
  });

  it("is passed on over gRPC", async (t) => {
    const { a } = await startWithFile(t);
    const messages = createClient(MessageService, createGrpcTransport({ baseUrl: a.url }));
    const received: Uint8Array[] = [];
    for await (const part of messages.downloadMedia({ session: "alice", id: messageId })) received.push(part.content);
    assert.deepEqual(Buffer.concat(received), content);
  });

  it("is refused with its owner's reason", async (t) => {
    const { a } = await startWithFile(t, async () => {
      throw new FileGone("is no longer at WhatsApp");
    });
    const answers = await Promise.all(
      ["AAAA", "BBBB"].map((id) => fetch(`${a.url}/api/files/alice/${messageId.replace("AAAA", id)}.png`)),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      [410, 404],
    );
  });
});

describe("a file that was uploaded at a node that does not own its session", () => {
  /** Starts three nodes. Node "b" owns the session "alice"; the file is uploaded at "c". */
  async function startWithUpload(t: TestContext) {
    const nodes = await startTwoNodes(t);
    const c = await nodes.join("c");
    await createClient(SessionService, createGrpcTransport({ baseUrl: nodes.b.url })).createSession({ name: "alice" });
    nodes.b.engine().report({ type: "paired", me });
    nodes.b.engine().report({ type: "opened", me });
    await nodes.b.until("alice", Status.WORKING);
    const answer = await fetch(`${c.url}/api/alice/media`, { method: "POST", body: content });
    assert.equal(answer.status, 201);
    const upload: { id: string; url: string } = await answer.json();
    return { ...nodes, c, upload };
  }

  async function send(url: string, file: object, more: object = {}) {
    const response = await fetch(`${url}/api/sendFile`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ session: "alice", chatId: "11111111111@c.us", ...more, file }),
    });
    return { status: response.status, body: await response.json() };
  }

  const mimetype = "application/octet-stream";

  for (const name of ["mediaId", "url"] as const) {
    it(`is sent by a call to any node, by its ${name}, as often as it is asked for`, async (t) => {
      const { a, b, c, upload } = await startWithUpload(t);
      const file = { mimetype, [name]: name === "url" ? upload.url : upload.id };
      for (const { url } of [a, b, c]) assert.equal((await send(url, file)).status, 201);
      assert.deepEqual(b.engine().files, [content, content, content]);
      // A repeated call is answered as the first one was.
      for (const { url } of [a, c]) assert.equal((await send(url, file, { id: "3EB0CAFE" })).status, 201);
      assert.equal(b.engine().files.length, 4);
    });
  }

  it("can be uploaded and sent over gRPC", async (t) => {
    const { a, b, c } = await startWithUpload(t);
    const [atA, atC] = [a, c].map(({ url }) => createClient(MessageService, createGrpcTransport({ baseUrl: url })));
    async function* requests() {
      for await (const part of parts(content)) yield { session: "alice", content: part };
    }
    const { id = "" } = (await atC?.uploadMedia(requests())) ?? {};
    await atA?.sendFile({ session: "alice", chatId: "11111111111@c.us", file: { mimetype, mediaId: id } });
    assert.deepEqual(b.engine().files, [content]);
  });

  it("is for its session only, and no other id is taken for it", async (t) => {
    const { a, upload } = await startWithUpload(t);
    for (const mediaId of [upload.id.replace(/^./, (digit) => (digit === "0" ? "1" : "0")), upload.id.split(".")[0]]) {
      const { status, body } = await send(a.url, { mimetype, mediaId });
      assert.equal(status, 400);
      assert.match(JSON.stringify(body), /file\.mediaId names no uploaded file of this session/);
    }
  });

  it("has to be uploaded again once its node is gone, which the error says", async (t) => {
    const { a, c, table, upload } = await startWithUpload(t);
    table.enter("c", c.url, { isAlive: false });
    const { status, body } = await send(a.url, { mimetype, mediaId: upload.id });
    assert.equal(status, 503);
    assert.match(
      JSON.stringify(body),
      /Node \\"c\\", which has the uploaded file, cannot be reached: upload the file again/,
    );
  });
});
