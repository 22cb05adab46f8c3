import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { SessionRecord_Phase as Phase, SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  Session_DesiredState as Desired,
  Engine_Kind,
  Session_StatusReason as Reason,
  SessionConfigSchema,
  SessionSchema,
} from "../../gen/sessiond/v1/session_pb.js";
import { sessionView } from "../../src/api/session-view.ts";
import { FakeClock } from "../support/fake-clock.ts";

const atMs = 1_767_225_600_000;
const view = (record: MessageInitShape<typeof SessionRecordSchema>, showSecrets = false) =>
  toJson(
    SessionSchema,
    sessionView(create(SessionRecordSchema, record), { showSecrets, clock: new FakeClock(), hasProxyPool: false }),
  );

describe("a session in an answer", () => {
  it("has its configuration and no account while stopped", () => {
    const record = { name: "alice", engine: Engine_Kind.NOWEB, phase: Phase.STOPPED, desiredState: Desired.STOPPED };
    assert.deepEqual(view({ ...record, revision: 1, me: { id: "7911@c.us" }, createdAt: timestampFromMs(atMs) }), {
      name: "alice",
      status: "STOPPED",
      config: {},
      engine: { engine: "NOWEB" },
      desiredState: "DESIRED_STATE_STOPPED",
      engineState: "ENGINE_STATE_CLOSED",
      revision: 1,
      createdAt: "2026-01-01T00:00:00Z",
      account: { id: "7911@c.us" },
      statusSince: "2026-01-01T00:00:00Z",
    });
  });

  it("is STARTING while it backs off, with the reason and the end of the wait", () => {
    const record = {
      name: "alice",
      engine: Engine_Kind.WEBJS,
      phase: Phase.BACKING_OFF,
      desiredState: Desired.RUNNING,
      me: { id: "7911@c.us", pushName: "Alice" },
      reason: Reason.UNREACHABLE,
      reasonMessage: "connection refused",
      attempt: 3,
      wakeAt: timestampFromMs(atMs),
      updatedAt: timestampFromMs(atMs),
    };
    assert.deepEqual(view(record), {
      name: "alice",
      status: "STARTING",
      config: {},
      me: { id: "7911@c.us", pushName: "Alice" },
      engine: { engine: "WEBJS" },
      statusReason: "UNREACHABLE",
      statusMessage: "connection refused",
      desiredState: "DESIRED_STATE_RUNNING",
      engineState: "ENGINE_STATE_BACKING_OFF",
      attempt: 3,
      nextAttemptAt: "2026-01-01T00:00:00Z",
      updatedAt: "2026-01-01T00:00:00Z",
      account: { id: "7911@c.us", pushName: "Alice" },
      remedy: "CHECK_NETWORK",
    });
  });

  it("has masked secrets, unless the server is configured to show them", () => {
    const config = { webhooks: [{ url: "http://a.test", hmac: { key: "secret" } }], noweb: {} };
    const noweb = { markOnline: true, store: { enabled: false, fullSync: false } };
    const shown = (key: string) => ({ webhooks: [{ url: "http://a.test", hmac: { key } }], noweb });
    const configOf = (json: ReturnType<typeof view>) =>
      typeof json === "object" && json !== null && "config" in json ? json.config : undefined;
    assert.deepEqual(configOf(view({ config })), shown("***"));
    assert.deepEqual(configOf(view({ config }, true)), shown("secret"));
  });

  it("shows a configuration as it is after each change, and the same one in all states", () => {
    const clock = new FakeClock();
    const record = create(SessionRecordSchema, {
      name: "alice",
      config: { webhooks: [{ url: "http://u:old@a.test" }] },
    });
    const configOf = (of: typeof record, showSecrets = false) =>
      sessionView(of, { showSecrets, hasProxyPool: false, clock }).config;
    const before = configOf(record);
    assert.equal(configOf({ ...record, phase: Phase.WORKING, revision: 2 }), before);
    const changed = { ...record, config: create(SessionConfigSchema, { webhooks: [{ url: "http://b.test" }] }) };
    const urls = [record, changed].flatMap((each) => [configOf(each), configOf(each, true)]);
    assert.deepEqual(
      urls.map((config) => config?.webhooks[0]?.url),
      ["http://u:***@a.test", "http://u:old@a.test", "http://b.test", "http://b.test"],
    );
    assert.equal(record.config?.webhooks[0]?.url, "http://u:old@a.test");
  });
});
