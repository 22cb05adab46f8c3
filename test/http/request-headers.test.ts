import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { describe, it, type TestContext } from "node:test";
import { jsonAnswer, send } from "../../src/http/exchange.ts";
import { RequestHeaders } from "../../src/http/request-headers.ts";
import { createServer } from "../../src/http/server/server.ts";

/** As Node.js hands them over. */
const sent: IncomingHttpHeaders = {
  host: "localhost",
  "x-one": "1",
  "x-empty": "",
  "x-list": "a, b",
  "x-missing": undefined,
  "x-latin": "caf\u00e9",
  "set-cookie": ["a=1", "b=2"],
  "grpc-bin": "AAEC/w",
};
/** The same headers as an object of the Fetch standard. */
const real = () =>
  new Headers(
    Object.entries(sent).flatMap(([name, value = []]) => [value].flat().map((item): [string, string] => [name, item])),
  );

const names = [
  ...Object.keys(sent),
  "X-One",
  "HOST",
  "Set-Cookie",
  "absent",
  "constructor",
  "toString",
  "hasOwnProperty",
  "__proto__",
];

describe("the headers of a request", () => {
  for (const name of names) {
    it(`have the same ${name} as a Headers object`, () => {
      const view = new RequestHeaders(sent);
      assert.deepEqual([view.get(name), view.has(name)], [real().get(name), real().has(name)]);
    });
  }

  it("are iterated like a Headers object", () => {
    const view = new RequestHeaders(sent);
    assert.deepEqual([...view], [...real()]);
    assert.deepEqual([...view.entries()], [...real().entries()]);
    assert.deepEqual([...view.keys()], [...real().keys()]);
    assert.deepEqual([...view.values()], [...real().values()]);
    assert.deepEqual(view.getSetCookie(), ["a=1", "b=2"]);
    const visited: [string, string][] = [];
    view.forEach((value, name) => {
      visited.push([name, value]);
    });
    assert.deepEqual(visited, [...real()]);
  });

  it("can be copied into a Headers object", () => {
    assert.deepEqual([...new Headers(new RequestHeaders(sent))], [...real()]);
  });

  it("can be changed without a change to their source", () => {
    const source = { "x-one": "1", "x-two": "2" };
    const view = new RequestHeaders(source);
    view.set("X-One", "new");
    view.append("x-three", "3");
    view.append("x-three", "4");
    view.delete("x-two");
    assert.deepEqual(
      [view.get("x-one"), view.get("x-two"), view.has("X-Two"), view.get("x-three")],
      ["new", null, false, "3, 4"],
    );
    assert.deepEqual(source, { "x-one": "1", "x-two": "2" });
  });

  it("hide the pseudo-headers of HTTP/2", () => {
    const view = new RequestHeaders({ ":path": "/a", ":authority": "localhost", "x-one": "1" });
    assert.deepEqual([view.get(":path"), view.has(":authority")], [null, false]);
    assert.deepEqual([...view], [["x-one", "1"]]);
  });

  it("show only the names that a filter lets through", () => {
    const view = new RequestHeaders(sent, (name) => name !== "host" && name !== "set-cookie");
    assert.deepEqual([view.get("Host"), view.has("set-cookie"), view.get("x-one")], [null, false, "1"]);
    assert.deepEqual(
      [...view.keys()],
      [...real().keys()].filter((name) => name !== "host" && name !== "set-cookie"),
    );
  });
});

/** Starts a server that answers with the headers of each request, as JSON. */
async function startEcho(t: TestContext): Promise<number> {
  const server = createServer({
    host: "127.0.0.1",
    port: 0,
    handler: (req, res) => send(req, res, jsonAnswer(200, [...new RequestHeaders(req.headers)])),
  });
  const { port } = await server.listen();
  t.after(() => server.close(0));
  return port;
}

describe("the headers of a request over a socket", () => {
  it("are joined and trimmed over HTTP/1.1", async (t) => {
    const socket = connect(await startEcho(t), "127.0.0.1");
    socket.end("GET / HTTP/1.1\r\nHost: a\r\nX-A:  1 \t\r\nx-a: 2\r\nConnection: close\r\n\r\n", "latin1");
    const answer = await text(socket);
    assert.deepEqual(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n") + 4)), [
      ["connection", "close"],
      ["host", "a"],
      ["x-a", "1, 2"],
    ]);
  });

  it("are joined over HTTP/2", async (t) => {
    const session = connectHttp2(`http://127.0.0.1:${await startEcho(t)}`);
    t.after(() => session.close());
    const stream = session.request({ ":path": "/", "X-A": ["1", "2"], constructor: "c" });
    assert.deepEqual(JSON.parse(await text(stream)), [
      ["constructor", "c"],
      ["x-a", "1, 2"],
    ]);
  });
});
