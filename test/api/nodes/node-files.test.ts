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
