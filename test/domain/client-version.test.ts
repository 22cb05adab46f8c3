import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SessionRecord_Phase as Phase } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  Session_DesiredState as Desired,
  Engine_Kind,
  Session_StatusReason as Reason,
} from "../../gen/sessiond/v1/session_pb.js";
import type { SessionInput } from "../../src/domain/session.ts";
import { closed, inPhase, me, step } from "./session-states.ts";

const engine = Engine_Kind.NOWEB;
const refusal: SessionInput = {
  type: "closed",
  cause: "client_outdated",
  message: "refused",
  clientVersion: "2.3000.1",
};
const refused = (more = {}) => step(inPhase(Phase.CONNECTING, { me, engine, ...more }), refusal).state;
const changed = (version: string, kind = engine): SessionInput => ({
  type: "client_version_changed",
  engine: kind,
  version,
});

describe("a session whose client version WhatsApp has refused", () => {
  it("fails and remembers the version", () => {
    const state = refused();
    assert.equal(state.phase, Phase.FAILED);
    assert.equal(state.reason, Reason.CLIENT_OUTDATED);
    assert.equal(state.refusedClientVersion, "2.3000.1");
  });

  for (const [what, input] of [
    ["its engines use another version", changed("2.3000.2")],
    ["a new process uses another version", { type: "resume", clientVersion: "2.3000.2" }],
  ] as const) {
    it(`is retried once ${what}`, () => {
      const { state, effects } = step(refused(), input);
      assert.deepEqual(
        effects.map(({ type }) => type),
        ["announce", "open_engine"],
      );
      assert.equal(state.phase, Phase.CONNECTING);
      assert.equal(state.refusedClientVersion, "");
      assert.deepEqual(state.me, me, "with the same login");
    });
  }

  const quiet: [what: string, state: ReturnType<typeof refused>, input: SessionInput][] = [
    ["the version is the same", refused(), changed("2.3000.1")],
    ["a new process uses the same", refused(), { type: "resume", clientVersion: "2.3000.1" }],
    ["a new process has none", refused(), { type: "resume" }],
    ["it is another engine's", refused(), changed("2.3000.2", Engine_Kind.WEBJS)],
    ["its owner has stopped it", { ...refused(), desiredState: Desired.STOPPED }, changed("2.3000.2")],
    [
      "it failed for another reason",
      step(inPhase(Phase.WORKING, { engine }), closed("banned")).state,
      changed("2.3000.2"),
    ],
    ["it works", inPhase(Phase.WORKING, { engine }), changed("2.3000.2")],
    ["it backs off", inPhase(Phase.BACKING_OFF, { engine }), changed("2.3000.2")],
  ];
  for (const [what, state, input] of quiet) {
    it(`is not retried if ${what}`, () => {
      assert.deepEqual(step(state, input), { state, effects: [] });
    });
  }

  it("is retried after an upgrade from a store that did not record the version", () => {
    const state = inPhase(Phase.FAILED, { engine, reason: Reason.CLIENT_OUTDATED });
    assert.equal(step(state, { type: "resume", clientVersion: "2.3000.1" }).state.phase, Phase.CONNECTING);
  });
});
