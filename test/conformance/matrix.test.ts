import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerService } from "../../gen/sessiond/v1/server_service_pb.js";
import { SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import { collect } from "../support/async-items.ts";
import { type Subject, subjects } from "./clients.ts";
import { failure, startConformanceServer } from "./server.ts";

async function open(t: TestContext, subject: Subject) {
  // Disconnects before the server closes.
  let leave: () => void | Promise<void> = () => {};
  t.after(() => leave());
  const { url, begun, ended } = await startConformanceServer(t, subject.isTls);
  const { transport, close } = subject.connect(url);
  leave = close;
  return {
    begun,
    ended,
    sessions: createClient(SessionService, transport),
    unknown: createClient(ServerService, transport),
    reflection: createClient(ServerReflection, transport),
  };
}

/** Returns the error of a failed call. */
async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(
    () => new Error("it was answered"),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConnectError)) throw error;
  return error;
}

function assertFailure(error: ConnectError): void {
  const wanted = failure();
  assert.deepEqual([Code[error.code], error.rawMessage], [Code[wanted.code], wanted.rawMessage]);
  assert.equal(error.metadata.get("x-reason"), "because");
  assert.deepEqual(error.findDetails(ErrorInfoSchema)[0]?.metadata, { a: "b" });
  assert.equal(error.findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.field, "name");
}

/** Records the headers and trailers of a call. */
function told() {
  const seen = { header: new Headers(), trailer: new Headers() };
  const options = {
    headers: { "x-sent": "value", "x-raw-bin": "AAEC" },
    onHeader(header: Headers) {
      seen.header = header;
    },
    onTrailer(trailer: Headers) {
      seen.trailer = trailer;
    },
  };
  const check = () => {
    assert.equal(seen.header.get("x-header"), "value");
    assert.equal(seen.header.get("x-raw-bin"), "AAEC");
    assert.equal(seen.trailer.get("x-trailer"), "after value");
  };
  return { options, check };
}

for (const subject of subjects) {
  describe(subject.name, { concurrency: false }, () => {
    it("a call, its headers and trailers", async (t) => {
      const { sessions } = await open(t, subject);
      const { options, check } = told();
      const { session } = await sessions.getSession({ session: "alice" }, options);
      assert.equal(session?.name, "alice");
      check();
    });

    it("a large message each way", async (t) => {
      const { sessions } = await open(t, subject);
      const metadata = { large: "xyz".repeat(1_000_000) };
      const { session } = await sessions.createSession({ name: "alice", config: { metadata } });
      assert.deepEqual(session?.config?.metadata, metadata);
    });

    it("a message that is too large", async (t) => {
      const { sessions } = await open(t, subject);
      const metadata = { large: "x".repeat(5_000_000) };
      const error = await errorOf(sessions.createSession({ name: "alice", config: { metadata } }));
      assert.equal(Code[error.code], "ResourceExhausted");
    });

    it("an error with metadata and details", async (t) => {
      const { sessions } = await open(t, subject);
      assertFailure(await errorOf(sessions.getSession({ session: "fail" })));
    });

    it("a missing method", async (t) => {
      const { unknown } = await open(t, subject);
      assert.equal(Code[(await errorOf(unknown.ping({}))).code], "Unimplemented");
    });

    it("a stream, its headers and trailers", async (t) => {
      const { sessions } = await open(t, subject);
      const { options, check } = told();
      const items = await collect(sessions.statusStream({ session: "alice", afterSeq: 200n }, options));
      assert.equal(items.length, 200);
      assert.ok(items.every(({ seq, name }, n) => seq === BigInt(n + 1) && name.length === (seq % 10n ? 5 : 5_000)));
      check();
      const none = told();
      assert.deepEqual(await collect(sessions.statusStream({ session: "alice" }, none.options)), []);
      none.check();
    });

    it("a stream that fails at once, and one that fails late", async (t) => {
      const { sessions } = await open(t, subject);
      assertFailure(await errorOf(collect(sessions.statusStream({ session: "fail" }))));
      let count = 0;
      const error = await errorOf(
        (async () => {
          for await (const _ of sessions.statusStream({ session: "late", afterSeq: 3n })) count += 1;
        })(),
      );
      assertFailure(error);
      assert.equal(count, 3);
    });

    it("a call cancelled by its caller", async (t) => {
      const { sessions, ended } = await open(t, subject);
      // A call given up before the connection exists never reaches the server.
      await sessions.listSessions({}).catch(() => {});
      const controller = new AbortController();
      const call = errorOf(sessions.getSession({ session: "forever" }, { signal: controller.signal }));
      setTimeout(() => controller.abort(), 500);
      assert.equal(Code[(await call).code], "Canceled");
      await ended;
    });

    it("a stream cancelled by its caller", async (t) => {
      const { sessions, ended } = await open(t, subject);
      const controller = new AbortController();
      const reading = async () => {
        const options = { signal: controller.signal };
        for await (const _ of sessions.statusStream({ session: "forever", afterSeq: 1n }, options)) controller.abort();
      };
      assert.equal(Code[(await errorOf(reading())).code], "Canceled");
      await ended;
    });

    it("a deadline of a call and of a stream", async (t) => {
      const { sessions, ended } = await open(t, subject);
      // The deadline is for the call alone: one that expired while connecting would never reach the server.
      await sessions.listSessions({}).catch(() => {});
      const call = errorOf(sessions.getSession({ session: "forever" }, { timeoutMs: 500 }));
      assert.equal(Code[(await call).code], "DeadlineExceeded");
      await ended;
      const stream = errorOf(collect(sessions.statusStream({ session: "forever", afterSeq: 1n }, { timeoutMs: 50 })));
      assert.equal(Code[(await stream).code], "DeadlineExceeded");
    });

    if (subject.isDuplex) {
      it("a conversation of alternating messages", async (t) => {
        const { reflection } = await open(t, subject);
        let heard = Promise.withResolvers<void>();
        async function* requests() {
          for (const host of ["a", "b", "c"]) {
            yield { host };
            await heard.promise;
            heard = Promise.withResolvers();
          }
        }
        const answers: string[] = [];
        for await (const { validHost } of reflection.serverReflectionInfo(requests())) {
          answers.push(validHost);
          heard.resolve();
        }
        assert.deepEqual(answers, ["a!", "b!", "c!"]);
      });
    }
  });
}
