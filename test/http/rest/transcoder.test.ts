import assert from "node:assert/strict";
import { it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { HttpBodySchema } from "../../../gen/google/api/httpbody_pb.js";
import { Engine_Kind, Session_Status, type SessionSchema } from "../../../gen/sessiond/v1/session_pb.js";
import { type ListSessionsRequest, ListSessionsResponseSchema } from "../../../gen/sessiond/v1/session_service_pb.js";
import { send } from "../../../src/http/exchange.ts";
import { HttpProblem } from "../../../src/http/problem.ts";
import { sendJson, startRestServer } from "./server.ts";

type SessionInit = MessageInitShape<typeof SessionSchema>;

const png = new Uint8Array([137, 80, 78, 71]);
const picture: MessageInitShape<typeof HttpBodySchema> = { contentType: "image/png", data: png };

function stopped(name: string) {
  return {
    name,
    status: Session_Status.STOPPED,
    config: {},
    engine: { engine: Engine_Kind.NOWEB },
  } satisfies SessionInit;
}

it("a session has WAHA's JSON, including nulls", async (t) => {
  const { url } = await startRestServer(t, {
    session: {
      getSession: ({ session }) => ({
        session: {
          ...stopped(session),
          status: Session_Status.WORKING,
          config: { webhooks: [{ url: "https://example.com", events: ["message", "session.status"] }] },
          me: { id: "79111111@c.us", pushName: "WAHA" },
        },
      }),
      listSessions: () => ({ sessions: [stopped("a")] }),
    },
  });
  const one = await fetch(`${url}/api/sessions/default`);
  assert.equal(one.status, 200);
  assert.equal(one.headers.get("content-type"), "application/json; charset=utf-8");
  assert.equal(
    await one.text(),
    '{"name":"default","status":"WORKING","config":{"proxy":null,"webhooks":[{"url":"https://example.com",' +
      '"events":["message","session.status"],"hmac":null,"retries":null,"customHeaders":null}],"debug":false},' +
      '"me":{"id":"79111111@c.us","pushName":"WAHA"},"engine":{"engine":"NOWEB"}}',
  );
  const list = await fetch(`${url}/api/sessions`);
  assert.equal(
    await list.text(),
    '[{"name":"a","status":"STOPPED","config":{"proxy":null,"webhooks":[],"debug":false},"me":null,"engine":{"engine":"NOWEB"}}]',
  );
});

it("timestamps, optional fields and metadata with any key are included", async (t) => {
  const metadata = JSON.parse('{"user.id":"1","constructor":"c","__proto__":"p"}');
  const { url } = await startRestServer(t, {
    session: {
      createSession: ({ name, config }) => ({
        session: {
          ...stopped(name),
          ...(config && { config }),
          revision: 1,
          createdAt: timestampFromDate(new Date(1)),
        },
      }),
    },
  });
  const config = {
    metadata,
    proxy: { server: "a:1", username: "" },
    webhooks: [
      { url: "u", events: [], hmac: { key: "***" }, retries: { attempts: 0 }, customHeaders: [{ name: "n" }] },
    ],
    debug: true,
    noweb: { markOnline: false, store: {} },
  };
  const answer = await sendJson(`${url}/api/sessions`, "POST", { name: "x", config });
  assert.equal(answer.status, 201);
  assert.equal(
    await answer.text(),
    '{"name":"x","status":"STOPPED","config":{"metadata":{"user.id":"1","constructor":"c","__proto__":"p"},' +
      '"proxy":{"server":"a:1","username":""},"webhooks":[{"url":"u","events":[],"hmac":{"key":"***"},' +
      '"retries":{"attempts":0},"customHeaders":[{"name":"n","value":""}]}],"debug":true,' +
      '"noweb":{"markOnline":false,"store":{}}},"me":null,"engine":{"engine":"NOWEB"},"revision":1,' +
      '"createdAt":"1970-01-01T00:00:00.001Z"}',
  );
});

it("an empty list is [], an unset message null, and an empty answer has no body", async (t) => {
  const { url } = await startRestServer(t, {
    session: {
      listSessions: () => ({}),
      getMe: () => ({}),
      deleteSession: () => ({}),
      stopSessionDeprecated: () => ({}),
    },
  });
  assert.equal(await (await fetch(`${url}/api/sessions`)).text(), "[]");
  const me = await fetch(`${url}/api/sessions/x/me`);
  assert.equal(await me.text(), "null");
  assert.equal(me.headers.get("content-type"), "application/json; charset=utf-8");
  const gone = await fetch(`${url}/api/sessions/x`, { method: "DELETE" });
  assert.deepEqual([gone.status, await gone.text()], [200, ""]);
  assert.deepEqual([gone.headers.get("content-length"), gone.headers.get("content-type")], ["0", null]);
  const stop = await fetch(`${url}/api/sessions/stop`, { method: "POST" });
  assert.deepEqual([stop.status, await stop.text()], [201, ""]);
});

it("POST is answered with 201, other methods with 200", async (t) => {
  const session = (request: { session: string }) => ({ session: stopped(request.session) });
  const { url } = await startRestServer(t, {
    session: { startSession: session, getSession: session, updateSession: session },
    auth: { requestCode: () => ({ code: "ABCD-ABCD" }), getQrBody: () => picture },
  });
  const status = async (method: string, path: string) => (await fetch(url + path, { method })).status;
  assert.equal(await status("POST", "/api/sessions/x/start"), 201);
  assert.equal(await status("POST", "/api/sessions/x/"), 201);
  assert.equal(await status("PUT", "/api/sessions/x"), 200);
  assert.equal(await status("GET", "/API/SESSIONS/x/"), 200);
  assert.equal(await status("POST", "/api/x/auth/qr"), 201);
  const code = await fetch(`${url}/api/x/auth/request-code`, { method: "POST" });
  assert.equal(await code.text(), '{"code":"ABCD-ABCD"}');
});

it("query parameters set fields, map entries and WAHA's booleans", async (t) => {
  let seen: ListSessionsRequest | undefined;
  const { url } = await startRestServer(t, {
    session: {
      listSessions: (request) => {
        seen = request;
        return create(ListSessionsResponseSchema);
      },
    },
  });
  const ask = async (query: string) => {
    const answer = await fetch(`${url}/api/sessions?${query}`);
    return answer.status === 200 ? { all: seen?.all, ...seen?.metadata } : [answer.status, await answer.json()];
  };
  for (const text of ["true", "True", "1"]) assert.deepEqual(await ask(`all=${text}`), { all: true });
  for (const text of ["false", "False", "0"]) assert.deepEqual(await ask(`all=${text}`), { all: false });
  assert.deepEqual(await ask("metadata.user.id=1&metadata.a+b=c%20d+e&metadata.__x__=&x=y&&metadata=z&all.b=1"), {
    all: false,
    "user.id": "1",
    "a b": "c d e",
    __x__: "",
  });
  const refused = [400, { statusCode: 400, message: ["all must be a boolean value"], error: "Bad Request" }];
  for (const text of ["yes", "", "toString"]) assert.deepEqual(await ask(`all=${text}`), refused);
  const malformed = { statusCode: 400, message: "Malformed percent-encoding in the query", error: "Bad Request" };
  assert.deepEqual(await ask("all=%zz"), [400, malformed]);
});

it("a picture is sent as bytes, or as JSON to clients that accept only JSON", async (t) => {
  const { url } = await startRestServer(t, { session: { getScreenshot: () => picture } });
  const get = (accept: string) => fetch(`${url}/api/screenshot?session=x`, { headers: { accept } });
  for (const accept of ["*/*", "image/png", "image/*", "application/json, text/plain, */*"]) {
    const bytes = await get(accept);
    assert.deepEqual(new Uint8Array(await bytes.arrayBuffer()), png);
    const { headers } = bytes;
    assert.deepEqual(
      ["content-type", "content-length", "cache-control", "vary"].map((name) => headers.get(name)),
      ["image/png", "4", "no-store", "Accept"],
    );
  }
  for (const accept of ["application/json", "application/json; charset=utf-8", "image/png;q=0, application/json"]) {
    const json = await get(accept);
    assert.equal(await json.text(), '{"mimetype":"image/png","data":"iVBORw=="}');
    assert.equal(json.headers.get("cache-control"), "no-store");
    assert.equal(json.headers.get("content-type"), "application/json; charset=utf-8");
  }
});

it("other HttpBody answers are sent unchanged", async (t) => {
  const data = new TextEncoder().encode('{"value":"2@abc"}');
  const { url } = await startRestServer(t, { auth: { getQrBody: () => ({ contentType: "application/json", data }) } });
  const raw = await fetch(`${url}/api/x/auth/qr?format=raw`);
  assert.deepEqual([raw.headers.get("content-type"), await raw.text()], ["application/json", '{"value":"2@abc"}']);
});

it("HEAD is answered like GET without the body", async (t) => {
  const { url } = await startRestServer(t, {
    session: { getScreenshot: () => picture, getMe: () => ({ me: { id: "1@c.us" } }) },
  });
  const image = await fetch(`${url}/api/screenshot`, { method: "HEAD" });
  assert.deepEqual([image.status, image.headers.get("content-length"), await image.text()], [200, "4", ""]);
  const me = await fetch(`${url}/api/sessions/x/me`, { method: "HEAD" });
  assert.deepEqual([me.status, me.headers.get("content-length"), await me.text()], [200, "29", ""]);
  const nope = await fetch(`${url}/nope`, { method: "HEAD" });
  assert.deepEqual([nope.status, await nope.text()], [404, ""]);
});

it("headers are passed to the RPC, and its own headers are sent back", async (t) => {
  let seen: Headers | undefined;
  const { url } = await startRestServer(t, {
    session: {
      getMe: (_request, context) => {
        seen = context.requestHeader;
        context.responseHeader.set("ETag", '"7"');
        context.responseTrailer.set("Idempotency-Replayed", "true");
        return {};
      },
    },
  });
  const sent = {
    "x-api-key": "k",
    "if-match": '"6"',
    "idempotency-key": "i",
    authorization: "Bearer b",
    accept: "a/b",
  };
  const own = { "connect-timeout-ms": "1", "grpc-timeout": "1n", "content-language": "de", "accept-encoding": "br" };
  const answer = await fetch(`${url}/api/sessions/x/me`, {
    headers: { ...sent, ...own, "user-agent": "test", "x-request-id": "req-1" },
  });
  for (const [name, text] of Object.entries(sent)) assert.equal(seen?.get(name), text);
  assert.equal(seen?.get("user-agent"), "test");
  assert.equal(seen?.get("x-request-id"), "req-1");
  for (const name of [...Object.keys(own), "host", "connection"]) assert.equal(seen?.get(name), null, name);
  assert.equal(answer.headers.get("etag"), '"7"');
  assert.equal(answer.headers.get("idempotency-replayed"), "true");
  assert.equal(answer.headers.get("content-type"), "application/json; charset=utf-8");
});

it("every answer has a request id: the client's if it is well-formed", async (t) => {
  const { url } = await startRestServer(t);
  const idFor = async (headers: Record<string, string>) =>
    (await fetch(`${url}/nope`, { headers })).headers.get("x-request-id") ?? "";
  assert.equal(await idFor({ "x-request-id": "a_B.9-z" }), "a_B.9-z");
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-/;
  assert.match(await idFor({}), uuid);
  assert.match(await idFor({ "x-request-id": "a b" }), uuid);
  assert.match(await idFor({ "x-request-id": "x".repeat(129) }), uuid);
});

it("plain routes work beside those of the services", async (t) => {
  const { url } = await startRestServer(t, {
    rest: {
      extra: [
        {
          method: "GET",
          path: "/docs/{page=**}",
          handler: ({ req, res, path, query, variables }) => {
            const body = [path, variables.get("page"), query.get("q")].join(" ");
            send(req, res, { status: 200, contentType: "text/plain", body });
          },
        },
        {
          method: "GET",
          path: "/broken",
          handler: async () => {
            throw new HttpProblem(403, "Not for you");
          },
        },
      ],
    },
  });
  assert.equal(await (await fetch(`${url}/docs/a/b?q=c%20d`)).text(), "/docs/a/b a/b c d");
  const refused = await fetch(`${url}/broken`);
  assert.equal(await refused.text(), '{"statusCode":403,"message":"Not for you","error":"Forbidden"}');
});
