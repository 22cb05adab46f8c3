import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { describe, it, type TestContext } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { type StatusStreamRequest, StatusStreamRequestSchema } from "../../../gen/sessiond/v1/session_service_pb.js";
import { startRestServer } from "../rest/server.ts";

type Stream = (request: StatusStreamRequest, context: HandlerContext) => AsyncIterable<{ name: string }>;

const frame = (() => {
  const message = toBinary(StatusStreamRequestSchema, create(StatusStreamRequestSchema, { session: "alice" }));
  return Buffer.concat([Buffer.of(0, 0, 0, 0, message.byteLength), message]);
})();

/** Opens a stream over HTTP/2 without a client library. */
async function open(t: TestContext, contentType: string, statusStream: Stream) {
  const { url } = await startRestServer(t, { session: { statusStream } });
  const session = connect(url);
  t.after(() => session.destroy());
  const headers = {
    ":method": "POST",
    ":path": "/sessiond.v1.SessionService/StatusStream",
    "content-type": contentType,
  };
  const stream = session.request({ ...headers, "connect-protocol-version": "1" });
  stream.on("error", () => {});
  stream.end(frame);
  return stream;
}

for (const contentType of ["application/grpc+proto", "application/grpc-web+proto", "application/connect+proto"]) {
  describe(contentType, () => {
    it("pauses for a client that does not read, and resumes when it reads", async (t) => {
      let sent = 0;
      const stream = await open(t, contentType, async function* () {
        for (; sent < 4_000; sent += 1) yield { name: "x".repeat(10_000) };
      });
      await once(stream, "response");
      // The stream is paused once the count has not changed for a while.
      for (let before = -1, still = 0; still < 100; before = sent) {
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
        still = before === sent && sent > 0 ? still + 1 : 0;
      }
      assert.ok(sent < 100, `${sent} messages`);
      let size = 0;
      for await (const chunk of stream) size += (chunk as Buffer).byteLength;
      assert.ok(size > 4_000 * 10_000);
    });

    it("ends its source when the client disconnects, whether idle or sending", async (t) => {
      for (const hasMore of [false, true]) {
        const ended = Promise.withResolvers<void>();
        const stream = await open(t, contentType, async function* (_request, { signal }) {
          try {
            do {
              yield { name: "alice" };
              if (!hasMore) await once(signal, "abort");
              else await new Promise(setImmediate);
            } while (hasMore);
          } finally {
            ended.resolve();
          }
        });
        await once(stream, "data");
        stream.close();
        await ended.promise;
      }
    });

    it("hides the cause of an unexpected error", async (t) => {
      const stream = await open(t, contentType, async function* () {
        yield { name: "alice" };
        throw new Error("the secret cause");
      });
      let status = "";
      stream.on("trailers", (trailers) => {
        status = `grpc-status: ${trailers["grpc-status"]} ${trailers["grpc-message"]}`;
      });
      let text = "";
      for await (const chunk of stream) text += chunk;
      assert.match(text + status, /grpc-status: 13|"code":"internal"/);
      assert.doesNotMatch(text + status, /secret/);
    });
  });
}
