import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { ServerService } from "../../../gen/sessiond/v1/server_service_pb.js";
import { createRest } from "../../../src/http/rest/transcoder.ts";
import { createHandler } from "../../../src/http/server/handler.ts";
import { openSocket } from "../server/raw-socket.ts";
import { dialect, startRestServer, startServer } from "./server.ts";

describe("a REST call of an RPC", () => {
  it("sends the headers and trailers that were set before a failure", async (t) => {
    const { url } = await startRestServer(t, {
      session: {
        getSession(_request, { responseHeader, responseTrailer }) {
          responseHeader.set("retry-after", "3");
          responseTrailer.set("x-late", "yes");
          throw new ConnectError("later", Code.Unavailable, { "x-cause": "busy" });
        },
      },
    });
    const answer = await fetch(`${url}/api/sessions/x`);
    assert.equal(answer.status, 503);
    assert.deepEqual(
      ["retry-after", "x-late", "x-cause"].map((name) => answer.headers.get(name)),
      ["3", "yes", "busy"],
    );
  });

  it("is answered 422 if its service has no implementation", async (t) => {
    const rest = createRest({ services: [ServerService], dialect, routes: () => {} });
    const { url } = await startServer(t, createHandler({ routes: () => {}, rest }));
    const answer = await fetch(`${url}/ping`);
    assert.equal(answer.status, 422);
    assert.match(String(((await answer.json()) as { message: unknown }).message), /Ping is not implemented/);
  });

  it("is aborted once its client has left, and another is answered on", async (t) => {
    const called = Promise.withResolvers<void>();
    const left = Promise.withResolvers<unknown>();
    const { url, port } = await startRestServer(t, {
      session: {
        async getSession({ session }, { signal }) {
          if (session !== "slow") return { session: { name: session } };
          called.resolve();
          if (!signal.aborted) await once(signal, "abort");
          left.resolve(signal.reason);
          throw signal.reason;
        },
      },
    });
    const { socket } = await openSocket(t, port);
    socket.write("GET /api/sessions/slow HTTP/1.1\r\nHost: a\r\n\r\n");
    await called.promise;
    socket.destroy();
    assert.equal(ConnectError.from(await left.promise).code, Code.Canceled);
    assert.equal((await fetch(`${url}/api/sessions/x`)).status, 200);
  });

  it("is aborted by the end of the server with its reason", async (t) => {
    const stopping = new AbortController();
    const called = Promise.withResolvers<void>();
    const { url } = await startRestServer(t, {
      rest: { shutdownSignal: stopping.signal },
      session: {
        async getSession(_request, { signal }) {
          called.resolve();
          if (!signal.aborted) await once(signal, "abort");
          throw signal.reason;
        },
      },
    });
    const answer = fetch(`${url}/api/sessions/x`);
    await called.promise;
    stopping.abort(new ConnectError("shutting down", Code.Unavailable));
    const { status } = await answer;
    assert.equal(status, 503);
  });

  it("joins repeated response headers, and drops those that belong to an encoding", async (t) => {
    const { url } = await startRestServer(t, {
      session: {
        getSession(_request, { responseHeader }) {
          responseHeader.append("X-Several", "1");
          responseHeader.append("x-several", "2");
          responseHeader.set("content-language", "en");
          return {};
        },
      },
    });
    const { headers } = await fetch(`${url}/api/sessions/x`);
    assert.deepEqual([headers.get("x-several"), headers.get("content-language")], ["1, 2", null]);
  });
});
