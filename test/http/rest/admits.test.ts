import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { openSocket } from "../server/raw-socket.ts";
import { sendJson, startRestServer } from "./server.ts";

/** A REST server that admits the key "k" to all RPCs and everyone to GetMe, with the calls made. */
async function start(t: TestContext) {
  const calls: string[] = [];
  const asked: (string | undefined)[] = [];
  const { url, port } = await startRestServer(t, {
    session: {
      createSession: () => {
        calls.push("CreateSession");
        return { session: { name: "made" } };
      },
      getMe: () => ({}),
    },
    rest: {
      admit(rpc, header) {
        asked.push(rpc?.name);
        if (rpc !== SessionService.method.getMe && header.get("x-api-key") !== "k") throw refusal();
      },
      extra: [{ method: "GET", path: "/docs/**", handler: ({ res }) => void res.end("page") }],
    },
  });
  return { url, port, calls, asked };
}

const refusal = () => new ConnectError("no key", Code.Unauthenticated);

const unauthorized = { message: "Unauthorized", statusCode: 401 };

describe("a REST request that is not admitted", () => {
  it("is answered 401 for any path and calls nothing", async (t) => {
    const { url, calls, asked } = await start(t);
    const paths = ["/api/sessions", "/API/sessions/", "/api/nope", "/", "/api/%zz", "/sessiond.v1.Nope/Get", "/docs"];
    for (const path of paths) {
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
        if (method === "GET" && path === "/docs") continue;
        const answer = await fetch(url + path, { method });
        assert.deepEqual([answer.status, await answer.json()], [401, unauthorized], `${method} ${path}`);
      }
      if (path !== "/docs") assert.equal((await fetch(url + path, { method: "HEAD" })).status, 401);
    }
    assert.deepEqual(calls, []);
    assert.deepEqual([...new Set(asked)], ["ListSessions", "CreateSession", undefined]);
  });

  it("is refused before its body is read, and without further details", async (t) => {
    const { url, port, calls } = await start(t);
    const bad = { method: "POST", headers: { "content-type": "text/plain" }, body: "{" };
    assert.equal((await fetch(`${url}/api/sessions`, bad)).status, 401);
    const { socket, received } = await openSocket(t, port);
    socket.write("POST /api/sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n{");
    assert.match(await received("\r\n\r\n"), /^HTTP\/1\.1 401 [\s\S]*Connection: close/i);
    assert.deepEqual(calls, []);
  });

  it("keeps its connection if it has no body", async (t) => {
    const { port } = await start(t);
    const { socket, received } = await openSocket(t, port);
    for (const times of [1, 2]) {
      socket.write("GET /api/sessions HTTP/1.1\r\nHost: a\r\n\r\n");
      await received(new RegExp(`(?:HTTP/1\\.1 401 [^]*"statusCode":401}){${times}}`));
    }
  });

  it("is not admitted by a key in other query parameters", async (t) => {
    const { url } = await start(t);
    assert.equal((await fetch(`${url}/api/sessions?api_key=k&key=k&token=k&x_api_key=k&xx-api-key=k`)).status, 401);
  });
});

it("an admitted REST request is answered, and plain routes are open to all", async (t) => {
  const { url, calls } = await start(t);
  const answer = await fetch(`${url}/api/sessions`, { method: "POST", headers: { "x-api-key": "k" } });
  assert.equal(answer.status, 201);
  assert.deepEqual(calls, ["CreateSession"]);
  assert.equal((await fetch(`${url}/api/nope`, { headers: { "x-api-key": "k" } })).status, 404);
  assert.equal((await fetch(`${url}/api/sessions/x/me`)).status, 200);
  assert.equal(await (await fetch(`${url}/docs/a`)).text(), "page");
  assert.equal((await sendJson(`${url}/docs/a`, "POST", {})).status, 401);
});
