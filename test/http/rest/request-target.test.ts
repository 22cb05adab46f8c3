import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { startRestServer } from "./server.ts";

/** A server that shows each message that its RPCs receive. */
async function startRecorder(t: TestContext) {
  const received: Message[] = [];
  const { url } = await startRestServer(t, {
    rest: {
      admit: (_rpc, header) => {
        if (header.get("x-api-key") !== "key") throw new ConnectError("no", Code.Unauthenticated);
      },
    },
    session: {
      listSessions: (request) => {
        received.push(request);
        return { sessions: [] };
      },
      getSession: (request) => {
        received.push(request);
        return { session: { name: request.session } };
      },
    },
  });
  const ask = async (path: string, init: RequestInit = {}, key = "key") => {
    const answer = await fetch(url + path, { ...init, headers: { ...init.headers, "x-api-key": key } });
    return { status: answer.status, body: await answer.text() };
  };
  return { ask, received };
}

describe("a request that is repeated", () => {
  for (const path of [
    "/api/sessions/a",
    "/api/sessions/a%2Eb/",
    "/api/sessions?all=true&metadata.user=1",
    "/api/sessions",
  ]) {
    it(`reaches its RPC each time with the same message: ${path}`, async (t) => {
      const { ask, received } = await startRecorder(t);
      const answers = [await ask(path), await ask(path), await ask(path)];
      assert.deepEqual(answers, Array(3).fill(answers[0]));
      assert.equal(answers[0]?.status, 200);
      assert.deepEqual(received, Array(3).fill(received[0]));
    });
  }

  it("is told apart from others with another path, query or method", async (t) => {
    const { ask } = await startRecorder(t);
    for (let time = 0; time < 2; time += 1) {
      for (const name of ["a", "b", "A"]) {
        assert.equal(JSON.parse((await ask(`/api/sessions/${name}`)).body).name, name);
      }
      assert.equal((await ask("/api/sessions/a", { method: "HEAD" })).body, "");
      assert.equal((await ask("/api/sessions/a", { method: "PATCH" })).status, 404);
    }
  });

  it("does not change the next one's message when a query is added or left out", async (t) => {
    const { ask, received } = await startRecorder(t);
    for (const query of ["?all=true", "", "?all=false", "?all=true&query=x", "?all=true"])
      await ask(`/api/sessions${query}`);
    const seen = received.map((message) =>
      "all" in message && "query" in message ? [message.all, message.query] : [],
    );
    assert.deepEqual(seen, [
      [true, ""],
      [false, ""],
      [false, ""],
      [true, "x"],
      [true, ""],
    ]);
  });

  it("is refused without its key", async (t) => {
    const { ask } = await startRecorder(t);
    for (const [key, status] of [
      ["key", 200],
      ["other", 401],
      ["key", 200],
      ["", 401],
    ] as const) {
      assert.equal((await ask("/api/sessions/a", {}, key)).status, status, key);
    }
  });

  it("is refused each time for its query", async (t) => {
    const { ask, received } = await startRecorder(t);
    for (const query of ["all=perhaps", "all=%zz"]) {
      for (let time = 0; time < 2; time += 1) assert.equal((await ask(`/api/sessions?${query}`)).status, 400, query);
    }
    assert.deepEqual(received, []);
  });

  it("tells its RPC of unknown names each time", async (t) => {
    const names: (string | null)[] = [];
    const { url } = await startRestServer(t, {
      session: {
        listSessions: (_request, { requestHeader }) => {
          names.push(requestHeader.get("x-ignored-names"));
          return {};
        },
      },
    });
    for (const query of ["al=true", "al=true", "all=true"]) await fetch(`${url}/api/sessions?${query}`);
    assert.deepEqual(names, ["al", "al", null]);
  });

  it("is answered after many others", async (t) => {
    const { ask } = await startRecorder(t);
    for (let n = 0; n < 1_100; n += 1) await ask(`/api/sessions/s${n}`);
    for (const name of ["s0", "s1099"]) assert.equal(JSON.parse((await ask(`/api/sessions/${name}`)).body).name, name);
  });
});

it("a message that calls share cannot be changed by one of them", async (t) => {
  const { url } = await startRestServer(t, {
    session: {
      getSession: (request) => {
        request.session += "x";
        return { session: { name: request.session } };
      },
    },
  });
  for (let time = 0; time < 2; time += 1) assert.equal((await fetch(`${url}/api/sessions/a`)).status, 500);
});
