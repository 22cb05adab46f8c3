import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AuthService } from "../../../gen/sessiond/v1/auth_service_pb.js";
import { ServerService } from "../../../gen/sessiond/v1/server_service_pb.js";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { rpcsAt } from "../../../src/http/rest/rpcs-at.ts";

const services = [SessionService, AuthService, ServerService];

const rows: readonly (readonly [path: string, rpcs: readonly string[]])[] = [
  ["health", ["CheckHealth"]],
  ["/ping/", ["Ping"]],
  ["API/Server/Version", ["GetVersion"]],
  ["api/server/(.*)", ["GetVersion", "GetServerStatus", "GetOverview", "ListNodes"]],
  ["/api/server/**", ["GetVersion", "GetServerStatus", "GetOverview", "ListNodes"]],
  ["api/server/*", ["GetVersion", "GetServerStatus", "GetOverview", "ListNodes"]],
  ["api/sessions", ["ListSessions", "CreateSession"]],
  ["api/sessions:search", ["ListSessions"]],
  ["api/{session}/auth/qr", ["GetQrBody", "GetQrBody"]],
  ["api/*/auth/qr", ["GetQrBody", "GetQrBody"]],
  // An RPC cannot be public for a single session.
  ["api/alice/auth/qr", []],
  ["api", []],
  ["api/server", []],
  ["docs", []],
  ["api/[a-z]+", []],
  ["{", []],
];

describe("the RPCs at a path", () => {
  for (const [path, names] of rows) {
    it(`include ${names.join(" and ") || "none"} for ${path}`, () => {
      const { rpcs, unknown } = rpcsAt(services, [path]);
      assert.deepEqual(
        rpcs.map(({ name }) => name),
        names,
      );
      assert.deepEqual(unknown, names.length === 0 ? [path] : []);
    });
  }

  it("include all RPCs with a REST route for **", () => {
    const callable = new Set(rpcsAt(services, ["**"]).rpcs.map(({ name }) => name));
    const all = services.flatMap(({ methods }) => methods.map(({ name }) => name));
    assert.deepEqual([...callable].sort(), all.filter((name) => name !== "GetQr").sort());
  });
});
