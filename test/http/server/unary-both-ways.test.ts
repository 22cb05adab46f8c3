import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { CreateSessionRequestSchema, GetSessionRequestSchema } from "../../../gen/sessiond/v1/session_service_pb.js";
import { sessionNames, startBothWays } from "./both-ways.ts";
import { type RawRequest, wires } from "./raw-request.ts";

const types = [
  "application/json",
  "application/proto",
  "application/grpc",
  "application/grpc+proto",
  "application/grpc+json",
  "application/grpc-web",
  "application/grpc-web+proto",
  "application/grpc-web+json",
] as const;
type ContentType = (typeof types)[number];

const isEnveloped = (type: string) => type.startsWith("application/grpc");
const isJson = (type: string) => type.endsWith("json");
const bytesOf = (text: string) => new TextEncoder().encode(text);

function frame(data: Uint8Array, flags = 0, length = data.byteLength): Uint8Array {
  const prefix = Buffer.alloc(5, flags);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, data]);
}

const getSession = (session: string) => create(GetSessionRequestSchema, { session });

/** Returns a request message without its envelope. */
function messageOf(type: ContentType, session: string): Uint8Array {
  const message = getSession(session);
  return isJson(type)
    ? bytesOf(toJsonString(GetSessionRequestSchema, message))
    : toBinary(GetSessionRequestSchema, message);
}

function bodyOf(type: ContentType, session: string): Uint8Array {
  const message = messageOf(type, session);
  return isEnveloped(type) ? frame(message) : message;
}

const path = "/sessiond.v1.SessionService/GetSession";

/** Returns a plain call of GetSession. */
function plainCall(type: ContentType, session = "alice"): RawRequest {
  return { path, headers: { "content-type": type, "x-request-id": "id-1" }, body: [bodyOf(type, session)] };
}

const withHeaders = (request: RawRequest, headers: Record<string, string | string[]>): RawRequest => ({
  ...request,
  headers: { ...request.headers, ...headers },
});

/** Sends each request to both servers and compares the answers and what the services saw. `isDirect`: which way the first server took. */
async function compare(t: TestContext, requests: readonly RawRequest[], isDirect?: boolean): Promise<void> {
  const { direct, library } = await startBothWays(t);
  for (const [wire, send] of Object.entries(wires)) {
    for (const request of requests) {
      const name = `${wire} ${JSON.stringify(request.headers)} ${Buffer.concat(request.body).toString("latin1", 0, 99)}`;
      direct.seen.isDirect = undefined;
      const answer = await send(direct.url, request);
      assert.deepEqual(answer, await send(library.url, request), name);
      if (isDirect !== undefined) assert.equal(direct.seen.isDirect, isDirect, name);
    }
  }
  assert.deepEqual(direct.seen.calls, library.seen.calls);
  assert.notEqual(library.seen.isDirect, true);
}

for (const type of types) {
  const accepting = isEnveloped(type) ? "grpc-accept-encoding" : "accept-encoding";
  const encoding = isEnveloped(type) ? "grpc-encoding" : "content-encoding";
  const timeout = isEnveloped(type) ? "grpc-timeout" : "connect-timeout-ms";

  describe(`${type}, directly and by Connect's pipeline`, { concurrency: false }, () => {
    it("answers alike: responses, failures, headers and trailers", async (t) => {
      await compare(
        t,
        sessionNames.map((session) => plainCall(type, session)),
        true,
      );
    });

    it("shows services the same headers, and returns theirs alike", async (t) => {
      const headers = [
        { "x-text": "value", "x-raw-bin": "AAEC" },
        { "x-text": ["a", "b"], cookie: ["a=1", "b=2"] },
        { "x-text": "", te: "trailers", "user-agent": "test", "connect-protocol-version": "1" },
      ];
      await compare(
        t,
        headers.map((each) => withHeaders(plainCall(type), each)),
        true,
      );
    });

    it("compresses alike for clients that accept it", async (t) => {
      const accepted = ["gzip", "br", "br, gzip", "identity,deflate,gzip", "identity", "gzip;q=1", "", "zstd"];
      const sessions = ["alice", "large", "large failure", "large trailer"];
      const requests = accepted.flatMap((value) =>
        sessions.map((session) => withHeaders(plainCall(type, session), { [accepting]: value })),
      );
      await compare(t, requests, true);
    });

    it("refuses alike before it reads the message", async (t) => {
      await compare(t, [withHeaders(plainCall(type), { "x-refuse": "1" })]);
    });

    it("reads a message in parts", async (t) => {
      const body = bodyOf(type, "Žofie in parts");
      const request = plainCall(type);
      await compare(
        t,
        [
          { ...request, body: Array.from(body, (byte) => Uint8Array.of(byte)) },
          { ...request, body: [body.subarray(0, 3), body.subarray(3)] },
          { ...request, body: [body.subarray(0, 7), body.subarray(7)] },
        ],
        true,
      );
    });

    it("reads a large message", async (t) => {
      const message = create(CreateSessionRequestSchema, {
        name: "a",
        config: { metadata: { a: "xy".repeat(300_000) } },
      });
      const data = isJson(type)
        ? bytesOf(toJsonString(CreateSessionRequestSchema, message))
        : toBinary(CreateSessionRequestSchema, message);
      const body = isEnveloped(type) ? frame(data) : data;
      const request = { ...plainCall(type), path: "/sessiond.v1.SessionService/CreateSession" };
      await compare(
        t,
        [
          { ...request, body: [body] },
          { ...request, body: [body.subarray(0, 9), body.subarray(9)] },
        ],
        true,
      );
    });

    it("answers malformed messages alike", async (t) => {
      const bad = [
        "{",
        '{"session":7}',
        '{"unknown":1}',
        '"text"',
        "",
        "\xff\xff\xff",
        "\n\x05ab",
        '\u{feff}{"session":"a"}',
      ];
      const messages = [...bad.map((text) => Buffer.from(text, "latin1")), bytesOf('\u{feff}{"session":"a"}')];
      const bodies = messages.map((message) => (isEnveloped(type) ? frame(message) : message));
      await compare(
        t,
        bodies.map((body) => ({ ...plainCall(type), body: [body] })),
      );
    });

    it("answers messages that are too large alike", async (t) => {
      const large = Buffer.alloc(1_100_000, " ");
      const body = isEnveloped(type) ? frame(large) : large;
      await compare(t, [
        { ...plainCall(type), body: [body.subarray(0, 1_000_001)] },
        { ...plainCall(type), body: [body.subarray(0, 500_000), body.subarray(500_000, 1_000_006)] },
      ]);
    });

    it("leaves deadlines and compressed messages to Connect", async (t) => {
      const message = messageOf(type, "alice");
      const zipped = isEnveloped(type) ? frame(gzipSync(message), 1) : gzipSync(message);
      await compare(t, [withHeaders(plainCall(type), { [timeout]: isEnveloped(type) ? "9S" : "9000" })], false);
      await compare(t, [withHeaders({ ...plainCall(type), body: [zipped] }, { [encoding]: "gzip" })], false);
      await compare(t, [
        withHeaders(plainCall(type), { [timeout]: "soon" }),
        withHeaders(plainCall(type), { [encoding]: "zstd" }),
        withHeaders(plainCall(type), { [encoding]: "gzip" }),
        withHeaders(plainCall(type), { [encoding]: "identity" }),
      ]);
    });

    it("answers other methods, types and paths alike", async (t) => {
      const call = plainCall(type);
      await compare(t, [
        { ...call, method: "PUT" },
        { ...call, method: "GET", body: [] },
        { ...call, path: `${path}?a=b` },
        { ...call, path: "/sessiond.v1.SessionService/GetMe" },
        { ...call, path: "/sessiond.v1.SessionService/Nothing" },
        { ...call, path: "/sessiond.v1.SessionService/StatusStream" },
        withHeaders(call, { "content-type": `${type}; charset=utf-8` }),
        withHeaders(call, { "content-type": type.toUpperCase() }),
        withHeaders(call, { "content-type": "text/plain" }),
        withHeaders(call, { "content-type": "application/grpc-web-text" }),
      ]);
    });

    if (isEnveloped(type)) {
      it("answers wrong framing alike", async (t) => {
        const message = messageOf(type, "alice");
        const whole = frame(message);
        const bodies = [
          [],
          [whole.subarray(0, 3)],
          [whole.subarray(0, 5)],
          [whole.subarray(0, -1)],
          [whole, whole],
          [Buffer.concat([whole, whole])],
          [Buffer.concat([whole, Uint8Array.of(0)])],
          [frame(message, 1)],
          [frame(message, 2)],
          [frame(message, 0x80)],
          [frame(message, 0, 2_000_000)],
          [frame(message, 0, 0xffffffff).subarray(0, 3), frame(message, 0, 0xffffffff).subarray(3)],
        ];
        await compare(
          t,
          bodies.map((body) => ({ ...plainCall(type), body })),
        );
      });
    }
  });
}
