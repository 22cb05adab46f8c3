import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { encodeMessage } from "../../../src/http/server/grpc-message.ts";
import { startRestServer } from "../rest/server.ts";

const messages = [
  "config.webhooks.0.url must be a URL address; config.proxy.server must be host:port, without http:// or https://",
  "We didn't find a session with name 'x'.\nPlease start it first by using POST /api/sessions/x/start request",
  "a & b = c? [d] {e} #f @g $h +i 'j' \"k\" \\l ^m `n` |o ~p <q>",
  "100 % sure, 25%20 and %",
  "Žofie wrote 👩‍🚀 to 日本",
  "tab\tand\r\nnew line, DEL \x7f and NUL \0",
  `many words: ${"a, ".repeat(1000)}z`,
];

/** Fails each call with the message whose index is the session's name; a stream fails after its first item. */
async function start(t: TestContext) {
  const failure = (index: string) => new ConnectError(messages[Number(index)] ?? "", Code.FailedPrecondition);
  return startRestServer(t, {
    session: {
      getSession: ({ session }) => Promise.reject(failure(session)),
      statusStream: async function* ({ session }) {
        yield { name: session };
        throw failure(session);
      },
    },
  });
}

it("grpc-message encodes only % and bytes outside 0x20 to 0x7E", () => {
  const printable = Array.from({ length: 0x7f - 0x20 }, (_, index) => String.fromCharCode(0x20 + index)).join("");
  assert.equal(encodeMessage(printable), printable.replace("%", "%25"));
  assert.equal(encodeMessage("ü\n%\x7f"), "%C3%BC%0A%25%7F");
  for (const message of messages) assert.equal(decodeURIComponent(encodeMessage(message)), message);
});

const open: [name: string, transport: (baseUrl: string) => Transport][] = [
  ["gRPC", (baseUrl) => createGrpcTransport({ baseUrl })],
  ["gRPC with a deadline", (baseUrl) => createGrpcTransport({ baseUrl, defaultTimeoutMs: 60_000 })],
  ["gRPC-Web", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
  ["Connect", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
];

for (const [name, transport] of open) {
  it(`${name} clients of Connect decode every message`, async (t) => {
    const { url } = await start(t);
    const client = createClient(SessionService, transport(url));
    const isSame = (message: string) => (error: unknown) => ConnectError.from(error).rawMessage === message;
    for (const [index, message] of messages.entries()) {
      await assert.rejects(client.getSession({ session: `${index}` }), isSame(message));
      await assert.rejects(read(client.statusStream({ session: `${index}` })), isSame(message));
    }
  });
}

async function read(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

it("grpc-js clients decode the messages of calls and streams", async (t) => {
  const { port } = await start(t);
  const proto = fileURLToPath(new URL("../../../proto", import.meta.url));
  const google = fileURLToPath(new URL("../../../node_modules/google-proto-files", import.meta.url));
  const { "sessiond.v1.SessionService": service } = loadSync("sessiond/v1/session_service.proto", {
    includeDirs: [proto, google],
  });
  const { GetSession, StatusStream } = service as Record<string, GrpcMethod>;
  assert(GetSession && StatusStream);
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  t.after(() => client.close());
  const unary = (session: string) =>
    new Promise<ServiceError | null>((resolve) => {
      const { path, requestSerialize, responseDeserialize } = GetSession;
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { session }, (error) => resolve(error));
    });
  const stream = async (session: string) => {
    const { path, requestSerialize, responseDeserialize } = StatusStream;
    const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { session });
    call.resume();
    const [error] = await once(call, "error").catch((thrown: unknown) => [thrown]);
    return error as ServiceError;
  };
  // grpc-js uses decodeURI, which leaves "%3A" and "%2C" encoded.
  for (const [index, message] of messages.entries()) {
    assert.equal((await unary(`${index}`))?.details, message);
    assert.equal((await stream(`${index}`)).details, message);
  }
});

interface GrpcMethod {
  readonly path: string;
  readonly requestSerialize: (value: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => object;
}

it("trailers of gRPC and gRPC-Web have minimal encoding", async (t) => {
  const { url } = await start(t);
  const body = Buffer.from([0, 0, 0, 0, 3, 0x0a, 1, "0".charCodeAt(0)]);
  const path = "/sessiond.v1.SessionService/GetSession";
  const session = connect(url);
  t.after(() => session.destroy());
  const call = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  call.end(body);
  call.resume();
  const [trailers] = await once(call, "trailers");
  assert.equal(trailers["grpc-message"], messages[0]);

  const headers = { "content-type": "application/grpc-web+proto" };
  const web = await fetch(url + path, { method: "POST", headers, body });
  assert.ok((await web.text()).includes(`grpc-message: ${messages[0]}\r\n`));
});

it("an error before the request is read has minimal encoding", async (t) => {
  const { url } = await start(t);
  const session = connect(url);
  t.after(() => session.destroy());
  const path = "/sessiond.v1.SessionService/GetSession";
  const headers = { "content-type": "application/grpc", "grpc-encoding": "nope", te: "trailers" };
  const call = session.request({ ":method": "POST", ":path": path, ...headers });
  call.end();
  call.resume();
  const [trailers] = await once(call, "trailers");
  assert.match(String(trailers["grpc-message"]), /^unknown compression "nope": supported encodings are /);
});
