import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type Interceptor, type ServiceImpl } from "@connectrpc/connect";
import {
  GetSessionRequestSchema,
  type GetSessionResponse,
  SessionService,
} from "../../gen/sessiond/v1/session_service_pb.js";
import { collectUnaryRpcs, signalOf, UnaryCall } from "../../src/http/unary-calls.ts";

const { getSession } = SessionService.method;

interface Parts {
  readonly session?: Partial<ServiceImpl<typeof SessionService>>;
  readonly interceptors?: Interceptor[];
  readonly requestGate?: () => void;
}

function rpcOf({ session = {}, interceptors, requestGate }: Parts) {
  const rules = { ...(interceptors && { interceptors }), ...(requestGate && { requestGate }) };
  const rpcs = collectUnaryRpcs((router: ConnectRouter) => router.service(SessionService, session, rules));
  const rpc = rpcs.get(getSession);
  assert.ok(rpc);
  return rpc;
}

function callOf(session = "default", header = new Headers()) {
  const request = create(GetSessionRequestSchema, { session });
  const caller = {
    header,
    protocolName: "connect",
    url: "https://in-memory/",
    createSignal: () => AbortSignal.abort(),
  };
  return new UnaryCall(getSession, request, caller);
}

describe("a unary RPC called in process", () => {
  it("answers the implementation's message, completed with defaults", async () => {
    const rpc = rpcOf({ session: { getSession: ({ session }) => ({ session: { name: session } }) } });
    const { session } = (await rpc.run(callOf("alice"))) as GetSessionResponse;
    assert.deepEqual([session?.name, session?.statusMessage], ["alice", ""]);
  });

  it("passes its interceptors from the first to the last, and back", async () => {
    const passed: string[] = [];
    const named =
      (name: string): Interceptor =>
      (next) =>
      async (request) => {
        passed.push(name);
        const response = await next(request);
        passed.push(`${name} back`);
        return response;
      };
    const rpc = rpcOf({ session: { getSession: () => ({}) }, interceptors: [named("outer"), named("inner")] });
    await rpc.run(callOf());
    assert.deepEqual(passed, ["outer", "inner", "inner back", "outer back"]);
  });

  it("shows the implementation the caller's headers, and the caller its own", async () => {
    const rpc = rpcOf({
      session: {
        getSession(_request, { requestHeader, responseHeader }) {
          responseHeader.set("etag", requestHeader.get("if-match") ?? "");
          return {};
        },
      },
    });
    const call = callOf("default", new Headers({ "if-match": '"7"' }));
    await rpc.run(call);
    assert.equal(call.presentHeader?.get("etag"), '"7"');
    assert.equal(call.presentTrailer, undefined);
  });

  it("keeps the headers that were set before a failure", async () => {
    const rpc = rpcOf({
      session: {
        getSession(_request, { responseHeader }) {
          responseHeader.set("retry-after", "1");
          throw new ConnectError("later", Code.Unavailable);
        },
      },
    });
    const call = callOf();
    await assert.rejects(rpc.run(call), { code: Code.Unavailable });
    assert.equal(call.presentHeader?.get("retry-after"), "1");
  });

  it("hides an error that nobody has worded for callers", async () => {
    const rpc = rpcOf({
      session: {
        getSession() {
          throw new Error("the secret cause");
        },
      },
    });
    await assert.rejects(rpc.run(callOf()), { code: Code.Internal, rawMessage: "internal error" });
  });

  it("is UNIMPLEMENTED where the service lacks it", async () => {
    await assert.rejects(rpcOf({}).run(callOf()), {
      code: Code.Unimplemented,
      rawMessage: "sessiond.v1.SessionService.GetSession is not implemented",
    });
  });

  it("is refused by the gate of its service", () => {
    const requestGate = () => {
      throw new ConnectError("no key", Code.Unauthenticated);
    };
    const context = { method: getSession, requestHeader: new Headers() };
    assert.throws(() => rpcOf({ requestGate }).gate(context), { code: Code.Unauthenticated });
  });
});

describe("the signal of a call", () => {
  /** A response that is still to be written. */
  const responseOf = () =>
    Object.assign(new EventEmitter(), { writableFinished: false, closed: false, destroyed: false });
  const signalFor = (res: ReturnType<typeof responseOf>, shutdown?: AbortSignal) =>
    signalOf(res as unknown as Parameters<typeof signalOf>[0], shutdown);
  const isCanceled = ({ reason }: AbortSignal) => ConnectError.from(reason).code === Code.Canceled;

  it("aborts when the client leaves, and once it has its answer", () => {
    for (const writableFinished of [false, true]) {
      const res = responseOf();
      const signal = signalFor(res);
      assert.equal(signal.aborted, false);
      Object.assign(res, { writableFinished });
      res.emit("close");
      assert.deepEqual([signal.aborted, isCanceled(signal)], [true, true]);
    }
  });

  it("aborts with those of all other open calls when the server shuts down", () => {
    const shutdown = new AbortController();
    const responses = Array.from({ length: 30 }, responseOf);
    const signals = responses.map((res) => signalFor(res, shutdown.signal));
    responses[0]?.emit("close");
    const reason = new Error("the server is shutting down");
    shutdown.abort(reason);
    assert.ok(signals.slice(1).every((signal) => signal.reason === reason));
    assert.ok(isCanceled(signals[0] ?? assert.fail()));
    assert.equal(signalFor(responseOf(), shutdown.signal).reason, reason);
  });
});
