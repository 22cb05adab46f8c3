import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { SessionRecord_Phase as Phase, SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  Engine_Kind as Engine,
  Session_StatusReason as Reason,
  Session_Remedy as Remedy,
} from "../../gen/sessiond/v1/session_pb.js";
import { remedyOf } from "../../src/domain/remedy.ts";

const remedy = (record: MessageInitShape<typeof SessionRecordSchema>, hasProxyPool = false) =>
  Remedy[remedyOf(create(SessionRecordSchema, { phase: Phase.FAILED, ...record }), { hasProxyPool })];

describe("the remedy", () => {
  for (const [reason, expected] of [
    ["STATUS_REASON_UNSPECIFIED", "REMEDY_UNSPECIFIED"],
    ["LOGGED_OUT", "PAIR_AGAIN"],
    ["REPLACED", "RESTART"],
    ["RESTART_REQUIRED", "WAIT"],
    ["BANNED", "REQUEST_REVIEW"],
    ["TEMPORARILY_BANNED", "WAIT_UNTIL"],
    ["CLIENT_OUTDATED", "UPGRADE_CLIENT"],
    ["REJECTED", "RESTART"],
    ["UNREACHABLE", "CHECK_NETWORK"],
    ["PAIRING_TIMEOUT", "PAIR_AGAIN"],
    ["ENGINE_CRASHED", "WAIT"],
    ["BAD_SESSION", "WAIT"],
    ["CREDENTIALS_UNREADABLE", "RESTORE_LOGIN"],
  ] as const) {
    it(`for ${reason} is ${expected}`, () => {
      assert.equal(remedy({ reason: Reason[reason] }), expected);
    });
  }

  it("exists for every reason", () => {
    const reasons = Object.values(Reason).filter((reason) => typeof reason === "number");
    for (const reason of reasons) assert.notEqual(remedy({ reason }), undefined, Reason[reason]);
  });

  it("for a lost connection is the proxy, if the session or the server has one", () => {
    const reason = Reason.UNREACHABLE;
    assert.equal(remedy({ reason, config: { proxy: { server: "a.test:3128" } } }), "CHECK_PROXY");
    assert.equal(remedy({ reason }, true), "CHECK_PROXY");
  });

  it("for a taken over device is to wait while the server tries once more", () => {
    assert.equal(remedy({ reason: Reason.REPLACED, phase: Phase.BACKING_OFF }), "WAIT");
  });

  it("for an unreadable login of WEBJS, which keeps no former one, is to pair again", () => {
    assert.equal(remedy({ reason: Reason.CREDENTIALS_UNREADABLE, engine: Engine.WEBJS }), "LOG_OUT_AND_PAIR");
  });
});
