import assert from "node:assert/strict";
import { it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  compressionBrotli,
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { SessionService, StatusStreamResponseSchema } from "../../../gen/sessiond/v1/session_service_pb.js";
import { deepFreeze } from "../../../src/domain/deep-freeze.ts";
import { startRestServer } from "../rest/server.ts";

const item = (name: string, seq: bigint) => create(StatusStreamResponseSchema, { name, seq, metadata: { name } });

// The first message of a stream is sent by Connect, the rest directly. Long ones are compressed.
const names = ["first", "short", "long ".repeat(1_000), "short again"];
const shared = names.map((name, index) => deepFreeze(item(name, BigInt(index))));

const formats: Readonly<Record<string, (baseUrl: string, gzip: boolean) => Transport>> = {
  gRPC: (baseUrl, gzip) => createGrpcTransport({ baseUrl, ...accepting(gzip) }),
  "gRPC-Web": (baseUrl, gzip) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1", ...accepting(gzip) }),
  "Connect with binary messages": (baseUrl, gzip) =>
    createConnectTransport({ baseUrl, httpVersion: "2", ...accepting(gzip) }),
  "Connect with JSON": (baseUrl, gzip) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false, ...accepting(gzip) }),
};

const accepting = (gzip: boolean) => ({ acceptCompression: [gzip ? compressionGzip : compressionBrotli] });

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const result: T[] = [];
  for await (const one of items) result.push(one);
  return result;
}

it("streams of all formats and compressions send the same messages, each in its own encoding", async (t) => {
  const { url } = await startRestServer(t, {
    session: {
      async *statusStream() {
        yield* shared;
      },
    },
  });
  // Twice, so that each format sends its stored frames too, after those of the other formats.
  for (const round of [1, 2]) {
    for (const [format, transportTo] of Object.entries(formats)) {
      for (const gzip of [true, false]) {
        const client = createClient(SessionService, transportTo(url, gzip));
        const received = await all(client.statusStream({}));
        assert.deepEqual(received, shared, `${format}, ${gzip ? "gzip" : "Brotli"}, round ${round}`);
      }
    }
  }
});

it("a message that its service changes afterwards is encoded anew", async (t) => {
  const { url } = await startRestServer(t, {
    session: {
      async *statusStream() {
        const message = item("first", 0n);
        for (const name of names) yield Object.assign(message, { name });
      },
    },
  });
  const client = createClient(SessionService, createGrpcTransport({ baseUrl: url }));
  const received = await all(client.statusStream({}));
  assert.deepEqual(
    received.map(({ name }) => name),
    names,
  );
});

it("server-sent events of a shared message are the same for each reader", async (t) => {
  const { url } = await startRestServer(t, {
    session: {
      async *statusStream() {
        yield* shared;
      },
    },
  });
  const read = async () => (await fetch(`${url}/api/status-stream`)).text();
  const first = await read();
  const data = first.split("\n").filter((line) => line.startsWith("data: "));
  assert.deepEqual(
    data.map((line) => JSON.parse(line.slice("data: ".length)).name),
    names,
  );
  assert.equal(await read(), first);
});
