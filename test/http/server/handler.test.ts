import assert from "node:assert/strict";
import { it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { Code, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { createGrpcWebTransport as createBrowserTransport } from "@connectrpc/connect-web";
import { Client, credentials } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { type CorsOptions, defaultCors } from "../../../src/http/server/cors.ts";
import { type Fakes, startRestServer, testTls } from "../rest/server.ts";
import { openSocket } from "./raw-socket.ts";

const fakes: Fakes = {
  session: {
    getSession: ({ session }) => {
      if (session === "nobody") throw new ConnectError("Session not found", Code.NotFound);
      return { session: { name: session } };
    },
    statusStream: async function* () {
      for (const name of ["a", "b"]) yield { name };
    },
  },
};

const transports: [name: string, open: (baseUrl: string) => Transport, isTls?: boolean][] = [
  ["Connect over HTTP/1.1", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
  ["Connect over HTTP/2", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" })],
  ["gRPC-Web over HTTP/1.1", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
  ["gRPC-Web by fetch", (baseUrl) => createBrowserTransport({ baseUrl })],
  ["gRPC over HTTP/2", (baseUrl) => createGrpcTransport({ baseUrl })],
  ["gRPC over TLS", (baseUrl) => createGrpcTransport({ baseUrl, nodeOptions: { ca: testTls.cert } }), true],
];

for (const [name, open, isTls = false] of transports) {
  it(`${name} reaches the services on the shared port`, async (t) => {
    const { url } = await startRestServer(t, { ...fakes, isTls });
    const client = createClient(SessionService, open(url));
    assert.equal((await client.getSession({ session: "x" })).session?.name, "x");
    const names: string[] = [];
    for await (const item of client.statusStream({})) names.push(item.name);
    assert.deepEqual(names, ["a", "b"]);
    await assert.rejects(client.getSession({ session: "nobody" }), (error) => {
      const { code, rawMessage } = ConnectError.from(error);
      return code === Code.NotFound && rawMessage === "Session not found";
    });
  });
}

it("grpc-js reaches the services on the shared port", async (t) => {
  const { port } = await startRestServer(t, fakes);
  const proto = fileURLToPath(new URL("../../../proto", import.meta.url));
  const google = fileURLToPath(new URL("../../../node_modules/google-proto-files", import.meta.url));
  const definition = loadSync("sessiond/v1/session_service.proto", { includeDirs: [proto, google] });
  const method = (definition["sessiond.v1.SessionService"] as Record<string, GrpcMethod>).GetSession;
  assert(method);
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  t.after(() => client.close());
  const answer = await new Promise<{ session: { name: string } }>((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      { session: "x" },
      (error, value) => (value === undefined ? reject(error) : resolve(value as { session: { name: string } })),
    );
  });
  assert.equal(answer.session.name, "x");
});

interface GrpcMethod {
  readonly path: string;
  readonly requestSerialize: (value: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => object;
}

it("interceptors run for REST and RPC and see the request id", async (t) => {
  const seen: string[] = [];
  const spy: Interceptor = (next) => (req) => {
    seen.push(`${req.method.name} ${req.header.get("x-request-id")}`);
    return next(req);
  };
  const { url } = await startRestServer(t, { ...fakes, interceptors: [spy] });
  const headers = { "x-request-id": "rest" };
  await fetch(`${url}/api/sessions/x`, { headers });
  const client = createClient(SessionService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
  let id: string | null = null;
  await client.getSession(
    { session: "x" },
    { headers: { "x-request-id": "rpc" }, onHeader: (one) => (id = one.get("x-request-id")) },
  );
  assert.deepEqual(seen, ["GetSession rest", "GetSession rpc"]);
  assert.equal(id, "rpc");
});

it("an unknown RPC path is answered with 404 by REST", async (t) => {
  const { url } = await startRestServer(t, fakes);
  const answer = await fetch(`${url}/sessiond.v1.Nope/Get`, { method: "POST" });
  assert.equal(answer.status, 404);
});

it("a malformed Host is answered with 400", async (t) => {
  const { port, url } = await startRestServer(t, fakes);
  const { socket, received } = await openSocket(t, port);
  const path = "/sessiond.v1.SessionService/GetSession";
  socket.write(`POST ${path} HTTP/1.1\r\nHost: a b:c\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`);
  assert.match(await received(/"error":"Bad Request"\}/), /^HTTP\/1\.1 400 /);
  const old = await openSocket(t, port);
  old.socket.write(`POST ${path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`);
  assert.match(await old.received(/"error":"Bad Request"\}/), /^HTTP\/1\.1 400 /);
  assert.equal((await fetch(`${url}/api/sessions/x`)).status, 200);
});

async function preflight(t: TestContext, cors: CorsOptions, origin: string) {
  const { url } = await startRestServer(t, { ...fakes, cors });
  const headers = {
    origin,
    "access-control-request-method": "PUT",
    "access-control-request-headers": "x-api-key,content-type",
  };
  const asked = await fetch(`${url}/api/sessions/x`, { method: "OPTIONS", headers });
  const called = await fetch(`${url}/api/sessions/x`, { headers: { origin } });
  return { asked, called };
}

function accessHeaders({ headers }: Response): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name.startsWith("access-control-") || name === "vary"));
}

it("by default pages of all origins may call with any headers", async (t) => {
  const { asked, called } = await preflight(t, defaultCors, "https://a.example");
  assert.equal(asked.status, 204);
  assert.deepEqual(accessHeaders(asked), {
    "access-control-allow-headers": "x-api-key,content-type",
    "access-control-allow-methods": "GET,HEAD,PUT,PATCH,POST,DELETE",
    "access-control-allow-origin": "*",
    "access-control-max-age": "7200",
    vary: "Access-Control-Request-Headers",
  });
  assert.notEqual(asked.headers.get("x-request-id"), null);
  assert.equal(called.headers.get("access-control-allow-origin"), "*");
  assert.match(called.headers.get("access-control-expose-headers") ?? "", /Grpc-Status.*X-Request-Id/i);
});

it("CORS can be limited to some origins with credentials", async (t) => {
  const cors: CorsOptions = {
    ...defaultCors,
    origins: ["https://a.example"],
    requestHeaders: ["X-Api-Key"],
    credentials: true,
    maxAgeSeconds: 60,
  };
  const { asked, called } = await preflight(t, cors, "https://a.example");
  assert.deepEqual(accessHeaders(asked), {
    "access-control-allow-credentials": "true",
    "access-control-allow-headers": "X-Api-Key",
    "access-control-allow-methods": "GET,HEAD,PUT,PATCH,POST,DELETE",
    "access-control-allow-origin": "https://a.example",
    "access-control-max-age": "60",
    vary: "Origin",
  });
  assert.equal(called.headers.get("vary"), "Origin");
  const other = await preflight(t, cors, "https://b.example");
  assert.equal(other.asked.headers.get("access-control-allow-origin"), null);
  assert.equal(other.called.headers.get("access-control-allow-origin"), null);
});

it("without CORS no other origin is allowed", async (t) => {
  const { url } = await startRestServer(t, fakes);
  const answer = await fetch(`${url}/api/sessions/x`, { headers: { origin: "https://a.example" } });
  assert.deepEqual(accessHeaders(answer), {});
});
