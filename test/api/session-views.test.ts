import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  EndpointSchema,
  SessionRecord_Phase as Phase,
  type SessionRecord,
  SessionRecordSchema,
} from "../../gen/sessiond/store/v1/store_pb.js";
import {
  Session_DesiredState as Desired,
  Engine_Kind,
  Session_StatusReason as Reason,
  Session_Remedy as Remedy,
  SessionConfigSchema,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import { SessionViews } from "../../src/api/session-views.ts";
import { FakeClock } from "../support/fake-clock.ts";

const stopped = (name = "alice"): SessionRecord =>
  create(SessionRecordSchema, { name, engine: Engine_Kind.NOWEB, phase: Phase.STOPPED, desiredState: Desired.STOPPED });

function viewsAt(clock = new FakeClock()) {
  return new SessionViews({ showSecrets: false, hasProxyPool: false, clock });
}

describe("the views of sessions", () => {
  it("are made once for a record, and anew for the next one", () => {
    const views = viewsAt();
    const record = stopped();
    const view = views.full(record, []);
    assert.equal(views.full(record, []), view);
    const working = { ...record, desiredState: Desired.RUNNING, phase: Phase.WORKING };
    assert.equal(views.full(working, []).status, Status.WORKING);
  });

  it("cannot be changed once they are shared", () => {
    const view = viewsAt().full(stopped(), []);
    assert.throws(() => Object.assign(view, { name: "bob" }), TypeError);
  });

  it("show an endpoint that fails, and again none once it is healthy", () => {
    const views = viewsAt();
    const record = stopped();
    const failing = create(EndpointSchema, { id: "e", health: { failures: 1, disabledAt: timestampFromMs(1) } });
    const seen = [[], [failing], []].map((endpoints) => views.full(record, endpoints).failingWebhooks);
    assert.deepEqual(seen, [0, 1, 0]);
  });

  it("show the time of the next attempt by a wall clock that is set meanwhile", () => {
    const clock = new FakeClock();
    const views = viewsAt(clock);
    const wakeAt = timestampFromMs(clock.nowMs() + 5_000);
    const record = { ...stopped(), desiredState: Desired.RUNNING, phase: Phase.BACKING_OFF, wakeAt };
    const before = views.full(record, []).nextAttemptAt?.seconds ?? 0n;
    clock.jumpWall(3_600_000);
    assert.equal((views.full(record, []).nextAttemptAt?.seconds ?? 0n) - before, 3_600n);
  });

  it("offer the same remedy in a list, although its configuration is left out", () => {
    const views = viewsAt();
    const config = create(SessionConfigSchema, { proxy: { server: "127.0.0.1:1" } });
    const record = { ...stopped(), desiredState: Desired.RUNNING, reason: Reason.UNREACHABLE, config };
    const remedies = [views.summary(record, []), views.full(record, [])].map(({ remedy }) => remedy);
    assert.deepEqual(remedies, [Remedy.CHECK_PROXY, Remedy.CHECK_PROXY]);
  });

  it("are those of a list or of one session, whichever is asked for", () => {
    const views = viewsAt();
    const record = { ...stopped(), config: create(SessionRecordSchema, { config: { debug: true } }).config };
    assert.deepEqual([views.summary(record, []).config?.debug, views.full(record, []).config?.debug], [false, true]);
  });
});
