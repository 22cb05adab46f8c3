import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.js";
import { SessionService, StopSessionRequestSchema } from "../../../gen/sessiond/v1/session_service_pb.js";
import { withPeerEntry } from "../../../src/http/peers/entry.ts";
import { PeerClock } from "../../../src/http/peers/peer-clock.ts";
import { Peers } from "../../../src/http/peers/peers.ts";
import {
  callHeader,
  deriveProofKey,
  digestOf,
  Prover,
  proofHeader,
  timeHeader,
} from "../../../src/http/peers/proof.ts";
import { createServer } from "../../../src/http/server/server.ts";
import { startTwoNodes } from "../../support/two-nodes.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const path = "/sessiond.v1.SessionService/StopSession";
const body = toBinary(StopSessionRequestSchema, create(StopSessionRequestSchema, { session: "alice" }));

async function openNode(t: TestContext) {
  const { b, table } = await startTwoNodes(t, { env: { WAHA_API_KEY: "secret" } });
  const post = async (url: string, headers: Record<string, string> = {}, sent: Uint8Array = body) => {
    const res = await fetch(`${b.url}${url}`, {
      method: "POST",
      headers: { "content-type": "application/proto", "connect-protocol-version": "1", ...headers },
      body: new Uint8Array(sent),
    });
    return { status: res.status, text: await res.text(), time: res.headers.get(timeHeader) };
  };
  const prover = (secret = table.secret) => new Prover(deriveProofKey(secret), new PeerClock());
  const headersOf = ({ call, proof }: { call: string; proof: string }) => ({
    [callHeader]: call,
    [proofHeader]: proof,
  });
  return { url: b.url, post, prover, headersOf };
}

/** Starts an entry with one RPC, and returns the node that it belongs to, as a caller sees it. */
async function openEntry(t: TestContext, stopSession: NonNullable<Implementation["stopSession"]>) {
  const key = deriveProofKey(new Uint8Array(32).fill(1));
  const listener = withPeerEntry(() => assert.fail("the call is proven"), {
    self: "b",
    key,
    clock: new PeerClock(),
    routes: (router) => router.service(SessionService, { stopSession }),
    shutdownSignal: new AbortController().signal,
  });
  const server = createServer({ host: "127.0.0.1", port: 0, handler: listener });
  const { port } = await server.listen();
  const peers = new Peers({ self: "a", key, clock: new PeerClock() });
  t.after(async () => {
    peers.close();
    await server.close(0);
  });
  return peers.to({ name: "b", url: `http://127.0.0.1:${port}` }).transport;
}

type Implementation = Partial<ServiceImpl<typeof SessionService>>;
const { stopSession } = SessionService.method;

const call = { from: "a", to: "b", path, digest: digestOf(body), headers: [] };

describe("the entry for other nodes", () => {
  it("is a path that does not exist for a client", async (t) => {
    const { post } = await openNode(t);
    const unknown = await post("/peer/nothing");
    assert.equal(unknown.status, 401);
    assert.deepEqual(await post(`/peer${path}`), unknown);
    assert.equal((await post(`/peer${path}`, { "x-api-key": "secret" })).status, 404);
  });

  it("is a path that does not exist for a call with a forged proof, or one of another cluster", async (t) => {
    const { post, prover, headersOf } = await openNode(t);
    const key = { "x-api-key": "secret" };
    const other = headersOf(prover(new Uint8Array(32).fill(9)).prove(call));
    const forged = { ...headersOf(prover().prove(call)), [proofHeader]: "x".repeat(43) };
    for (const headers of [other, forged]) {
      const { status, time } = await post(`/peer${path}`, { ...key, ...headers });
      assert.deepEqual([status, time], [404, null]);
    }
  });

  it("refuses a call that is repeated, one whose body was changed, and one of a former process", async (t) => {
    const { post, prover, headersOf } = await openNode(t);
    const caller = prover();
    const first = caller.prove(call);
    const told = await post(`/peer${path}`, headersOf(first));
    assert.equal(told.status, 401);
    assert.ok(told.time !== null && caller.learnTime("b", told.time, first.proof));

    const good = headersOf(caller.prove(call));
    assert.equal((await post(`/peer${path}`, good)).status, 404, "there is no session alice");
    const again = await post(`/peer${path}`, good);
    assert.deepEqual([again.status, again.time], [401, null]);
    assert.equal((await post(`/peer${path}`, headersOf(caller.prove(call)), new Uint8Array([10, 1, 66]))).status, 401);
  });

  it("is open over TLS to nodes that have the same certificate, whatever address they use", async (t) => {
    const { table, b } = await startTwoNodes(t, {
      env: {
        SESSIOND_TLS_KEY_FILE: fixture("localhost.key.pem"),
        SESSIOND_TLS_CERT_FILE: fixture("localhost.cert.pem"),
      },
    });
    const peers = new Peers({
      self: "a",
      key: deriveProofKey(table.secret),
      clock: new PeerClock(),
      certificate: await readFile(fixture("localhost.cert.pem")),
    });
    t.after(() => peers.close());
    const url = `https://127.0.0.1:${new URL(b.url).port}`;
    const peer = peers.to({ name: "b", url });
    await peer.connect();
    const stopped = peer.transport.unary(SessionService.method.stopSession, undefined, undefined, undefined, {
      session: "alice",
    });
    await assert.rejects(stopped, /Session not found/);

    const strangers = new Peers({ self: "a", key: deriveProofKey(table.secret), clock: new PeerClock() });
    t.after(() => strangers.close());
    await assert.rejects(strangers.to({ name: "b", url }).connect());
  });

  for (const [what, timeoutMs] of [
    ["without a deadline", undefined],
    ["with a deadline", 60_000],
  ] as const) {
    it(`takes the headers of a call ${what}, and gives its response, headers and trailers back`, async (t) => {
      const transport = await openEntry(t, ({ session }, { requestHeader, responseHeader, responseTrailer }) => {
        responseHeader.set("etag", requestHeader.get("if-match") ?? "");
        responseTrailer.set("x-trailer", "end");
        return { session: { name: session } };
      });
      const headers = { "if-match": '"7"' };
      for (const session of ["alice", "bob".repeat(100_000)]) {
        const answer = await transport.unary(stopSession, undefined, timeoutMs, headers, { session });
        assert.equal(answer.message.session?.name, session);
        assert.deepEqual([answer.header.get("etag"), answer.trailer.get("x-trailer")], ['"7"', "end"]);
      }
    });

    it(`gives the error of a call ${what} with its code, details and metadata`, async (t) => {
      const transport = await openEntry(t, ({ session }) => {
        const details = [{ desc: ErrorInfoSchema, value: { reason: "GONE" } }];
        throw new ConnectError(`no ${session}`, Code.NotFound, { "x-node": "b" }, details);
      });
      const error = await transport.unary(stopSession, undefined, timeoutMs, undefined, { session: "é" }).then(
        () => assert.fail("it is answered"),
        (reason) => ConnectError.from(reason),
      );
      const [info] = error.findDetails(ErrorInfoSchema);
      assert.deepEqual(
        [error.rawMessage, error.code, error.metadata.get("x-node"), info?.reason],
        ["no é", Code.NotFound, "b", "GONE"],
      );
    });

    it(`aborts a call ${what} that its caller leaves`, async (t) => {
      const [begun, aborted] = [Promise.withResolvers<void>(), Promise.withResolvers<unknown>()];
      const transport = await openEntry(t, async (_request, { signal }) => {
        signal.addEventListener("abort", () => aborted.resolve(signal.reason));
        begun.resolve();
        throw await aborted.promise;
      });
      const leaving = new AbortController();
      const answer = transport.unary(stopSession, leaving.signal, timeoutMs, undefined, { session: "alice" });
      const rejected = assert.rejects(answer);
      await begun.promise;
      leaving.abort();
      await Promise.all([rejected, aborted.promise]);
    });
  }
});
