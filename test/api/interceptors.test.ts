import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient, createRouterTransport, type ServiceImpl } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import { reporting } from "../../src/api/interceptors.ts";
import { validation } from "../../src/api/validation.ts";
import { sessionNotFound } from "../../src/domain/errors.ts";
import { FakeClock } from "../support/fake-clock.ts";

type Line = readonly [level: string, fields: object, message: string];

/** Creates a client of a service with these methods, and records the log. */
function serve(methods: Partial<ServiceImpl<typeof SessionService>>) {
  const lines: Line[] = [];
  const clock = new FakeClock();
  const ended = Promise.withResolvers<void>();
  const logger = {
    debug: (fields: object, message: string) => {
      lines.push(["debug", fields, message]);
      ended.resolve();
    },
    error: (fields: object, message: string) => void lines.push(["error", fields, message]),
  };
  const interceptors = [reporting({ logger, nowMs: () => clock.nowMs() }), validation];
  const transport = createRouterTransport((router) => router.service(SessionService, methods, { interceptors }));
  return { client: createClient(SessionService, transport), lines, clock, ended: ended.promise };
}

const refused = async (call: Promise<unknown>): Promise<ConnectError> => {
  const error = await call.then(
    () => assert.fail("it was answered"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ConnectError);
  return error;
};
const method = (name: string) => `sessiond.v1.SessionService/${name}`;
const failing = () => Promise.reject(new Error("secret inside", { cause: "a password" }));
async function readAll(items: AsyncIterable<unknown>) {
  for await (const _ of items);
}

describe("a call", () => {
  it("is logged at its end, with its code and duration", async () => {
    const { client, lines, clock } = serve({
      async deleteSession() {
        clock.advance(12);
        return {};
      },
    });
    await client.deleteSession({ session: "alice" });
    assert.deepEqual(lines, [["debug", { method: method("DeleteSession"), code: "ok", durationMs: 12 }, "call"]]);
  });

  it("that fails for a known reason reports it, without an error in the log", async () => {
    const { client, lines } = serve({ getSession: () => Promise.reject(sessionNotFound("alice")) });
    const error = await refused(client.getSession({ session: "alice" }));
    assert.equal(error.code, Code.NotFound);
    assert.equal(error.rawMessage, "Session not found");
    const [info] = error.findDetails(ErrorInfoSchema);
    assert.deepEqual([info?.reason, info?.domain, info?.metadata.session], ["SESSION_NOT_FOUND", "sessiond", "alice"]);
    assert.deepEqual(lines, [["debug", { method: method("GetSession"), code: "NotFound", durationMs: 0 }, "call"]]);
  });

  it("that fails for an unknown reason hides it; the log has the cause", async () => {
    const { client, lines } = serve({ getSession: failing });
    const error = await refused(client.getSession({ session: "alice" }));
    assert.equal(error.code, Code.Internal);
    assert.equal(error.rawMessage, "Internal server error");
    assert.deepEqual(error.details, []);
    const [first] = lines;
    assert.ok(first?.[0] === "error" && "err" in first[1] && first[1].err instanceof Error);
    assert.equal(first[1].err.message, "secret inside");
  });

  it("that breaks a rule is refused before it has any effect, with every violation", async () => {
    const { client } = serve({ createSession: failing });
    const config = { webhooks: [{ url: "x", events: ["y"] }] };
    const error = await refused(client.createSession({ name: "..", config }));
    assert.equal(error.code, Code.InvalidArgument);
    const [details] = error.findDetails(BadRequestSchema);
    const fields = details?.fieldViolations.map(({ field }) => field);
    assert.deepEqual(fields, ["name", "config.webhooks.0.url", "config.webhooks.0.events.0"]);
  });

  it("to a missing method stays UNIMPLEMENTED", async () => {
    const { client, lines } = serve({});
    assert.equal((await refused(client.getMe({ session: "alice" }))).code, Code.Unimplemented);
    assert.equal(lines.length, 1);
  });
});

describe("a stream", () => {
  it("is logged once, at its end", async () => {
    const { client, lines } = serve({
      async *statusStream() {
        yield {};
        yield {};
      },
    });
    await readAll(client.statusStream({}));
    assert.deepEqual(lines, [["debug", { method: method("StatusStream"), code: "ok", durationMs: 0 }, "call"]]);
  });

  it("is refused for a broken rule before it begins", async () => {
    const { client } = serve({
      // biome-ignore lint/correctness/useYield: it must not come so far
      async *statusStream() {
        assert.fail("it was opened");
      },
    });
    const error = await refused(readAll(client.statusStream({ session: "a/b" })));
    assert.equal(error.code, Code.InvalidArgument);
    assert.equal(error.findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.field, "session");
  });

  it("that breaks off reports a known reason and hides an unknown one", async () => {
    const broken = (error: Error) =>
      serve({
        async *statusStream() {
          yield {};
          throw error;
        },
      });
    const known = broken(sessionNotFound("alice"));
    assert.equal((await refused(readAll(known.client.statusStream({})))).code, Code.NotFound);
    const unknown = broken(new Error("secret inside"));
    const error = await refused(readAll(unknown.client.statusStream({})));
    assert.equal(error.code, Code.Internal);
    assert.equal(error.rawMessage, "Internal server error");
    assert.deepEqual(
      unknown.lines.map(([level]) => level),
      ["error", "debug"],
    );
  });

  it("whose reader has left is no error, however its source reports that", async () => {
    const ways: ((signal: AbortSignal) => unknown)[] = [
      (signal) => signal.reason,
      () => new DOMException("This operation was aborted", "AbortError"),
    ];
    for (const reasonOf of ways) {
      const waiting = Promise.withResolvers<void>();
      const { client, lines, ended } = serve({
        async *statusStream(_, { signal }) {
          yield {};
          const left = new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
          waiting.resolve();
          await left;
          throw reasonOf(signal);
        },
      });
      const leaving = new AbortController();
      const items = client.statusStream({}, { signal: leaving.signal })[Symbol.asyncIterator]();
      await items.next();
      const second = refused(items.next());
      await waiting.promise;
      leaving.abort();
      assert.equal((await second).code, Code.Canceled);
      await ended;
      assert.deepEqual(
        lines.map(([level, fields]) => [level, "code" in fields && fields.code]),
        [["debug", "Canceled"]],
      );
    }
  });
});
