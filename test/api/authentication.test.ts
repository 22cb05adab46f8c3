import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { ServerService } from "../../gen/sessiond/v1/server_service_pb.js";
import { SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import { Authentication, type AuthenticationOptions, gate } from "../../src/api/authentication.ts";
import { validation } from "../../src/api/validation.ts";

const key = "the right key";

type HeadersInit = ConstructorParameters<typeof Headers>[0];

/** Opens services behind a gate and records the admitted calls and the log. */
function serve(options: Partial<AuthenticationOptions> = {}) {
  const calls: string[] = [];
  const lines: unknown[][] = [];
  const logger = { debug: (...line: unknown[]) => void lines.push(line) };
  const verifyKey = (presented: string) => presented === key;
  const authentication = new Authentication({ verifyKey, open: [], logger, ...options });
  const called = (name: string) => {
    calls.push(name);
    return {};
  };
  const rules = { requestGate: gate(authentication), interceptors: [validation] };
  const transport = createRouterTransport((router) => {
    router.service(
      SessionService,
      {
        deleteSession: () => called("DeleteSession"),
        async *statusStream() {
          yield called("StatusStream");
        },
      },
      rules,
    );
    router.service(
      ServerService,
      {
        ping: () => called("Ping"),
        checkHealth: () => called("CheckHealth"),
        getVersion: () => called("GetVersion"),
      },
      rules,
    );
  });
  const sessions = createClient(SessionService, transport);
  const server = createClient(ServerService, transport);
  return {
    calls,
    lines,
    authentication,
    server,
    unary: (headers: HeadersInit = {}, session = "alice") => sessions.deleteSession({ session }, { headers }),
    stream: async (headers: HeadersInit = {}, session = "alice") => {
      for await (const _ of sessions.statusStream({ session }, { headers }));
    },
  };
}

async function assertRefused(call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof ConnectError);
    assert.equal(error.code, Code.Unauthenticated);
    const details = error
      .findDetails(ErrorInfoSchema)
      .map(({ reason, domain, metadata }) => [reason, domain, metadata]);
    assert.deepEqual(details, [["API_KEY_REQUIRED", "sessiond", {}]]);
    assert.equal(error.rawMessage, "A valid API key is required, as x-api-key or Bearer");
    return true;
  });
}

const right: readonly HeadersInit[] = [
  { "x-api-key": key },
  { "X-Api-Key": key },
  { authorization: `Bearer ${key}` },
  { authorization: `bearer  ${key}` },
  { "x-api-key": key, authorization: "Basic YTpi" },
];
const wrong: readonly HeadersInit[] = [
  {},
  { "x-api-key": "" },
  { "x-api-key": "wrong" },
  { "x-api-key": `${key}.` },
  { "x-api-key": `Bearer ${key}` },
  { authorization: key },
  { authorization: `Basic ${key}` },
  { authorization: "Bearer" },
  { authorization: "Bearer wrong" },
  [
    ["x-api-key", key],
    ["x-api-key", "wrong"],
  ],
  { "x-api-key": "wrong", authorization: `Bearer ${key}` },
];

describe("a server with a key", () => {
  for (const headers of right) {
    it(`admits ${JSON.stringify(headers)}`, async () => {
      const harness = serve();
      await harness.unary(headers);
      await harness.stream(headers);
      assert.deepEqual(harness.calls, ["DeleteSession", "StatusStream"]);
      assert.deepEqual(harness.lines, []);
    });
  }

  for (const headers of wrong) {
    it(`refuses ${JSON.stringify(headers)}`, async () => {
      const harness = serve();
      await assertRefused(harness.unary(headers));
      await assertRefused(harness.stream(headers));
      assert.deepEqual(harness.calls, []);
      assert.deepEqual(
        harness.lines.map(([fields]) => fields),
        ["DeleteSession", "StatusStream"].map((name) => ({
          method: `sessiond.v1.SessionService/${name}`,
          reason: "API_KEY_REQUIRED",
        })),
      );
      assert.doesNotMatch(JSON.stringify(harness.lines), /right|wrong/);
    });
  }

  it("does not reveal whether a request would have been valid", async () => {
    const harness = serve();
    await assertRefused(harness.unary({}, "../.."));
    await assertRefused(harness.stream({ "x-api-key": "wrong" }, "../.."));
  });

  it("answers Ping, CheckHealth and the open methods without a key", async () => {
    const harness = serve();
    await harness.server.ping({});
    await harness.server.checkHealth({});
    await assertRefused(harness.server.getVersion({}));
    const open = serve({ open: [ServerService.method.getVersion] });
    await open.server.getVersion({});
    await open.server.ping({});
    await assertRefused(open.unary());
  });

  it("refuses unknown paths without a key", () => {
    const { authentication } = serve();
    assert.equal(authentication.refusal(undefined, new Headers())?.reason, "API_KEY_REQUIRED");
    assert.equal(authentication.refusal(undefined, new Headers({ "x-api-key": key })), undefined);
  });
});

it("admits everyone if it has no key", async () => {
  const harness = serve({ verifyKey: undefined });
  await harness.unary();
  await harness.stream({ "x-api-key": "whatever" });
  assert.equal(harness.authentication.refusal(undefined, new Headers()), undefined);
});
