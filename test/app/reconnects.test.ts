import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SessionRecord_Phase as Phase, type SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import { Reconnects } from "../../src/app/reconnects.ts";
import type { SessionInput } from "../../src/domain/session.ts";
import { closed, inPhase, me, transit } from "../domain/session-states.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** Plays inputs of one session, one per second. */
function watched(name = "alice") {
  const clock = new FakeClock();
  const reconnects = new Reconnects(clock);
  let record: SessionRecord = inPhase(Phase.WORKING, { name, me });
  reconnects.note(record);
  const play = (...inputs: SessionInput[]) => {
    for (const input of inputs) {
      clock.advance(1_000);
      const next = transit(record, input, clock.nowMs());
      if (next.state === record) continue;
      record = next.state;
      reconnects.note(record);
    }
  };
  return { clock, reconnects, play };
}

const repeated = (count: number, ...inputs: SessionInput[]) => Array.from({ length: count }, () => inputs).flat();
const lost = closed("unreachable");
const opened: SessionInput = { type: "opened", me };
const restart: SessionInput = { type: "restart" };

describe("a storm of reconnects", () => {
  for (const [name, inputs, reconnects] of [
    ["6 lost connections", repeated(6, lost, restart, opened), 6],
    ["9 failed attempts", [lost, ...repeated(8, restart, lost)], 9],
    [
      "a takeover, and a crash again and again",
      [closed("replaced"), ...repeated(6, restart, opened, closed("engine_crashed"))],
      7,
    ],
  ] as const) {
    it(`is ${name}`, () => {
      const { reconnects: counted, play } = watched();
      play(...inputs);
      assert.deepEqual(counted.storms(), [{ session: "alice", reconnects }]);
    });
  }

  for (const [name, inputs] of [
    ["5 lost connections", repeated(5, lost, restart, opened)],
    ["20 restarts by the owner", repeated(20, restart, opened)],
    ["20 waits for a slot to connect", [restart, ...repeated(20, { type: "postponed", untilMs: 0 }, { type: "wake" })]],
    ["20 stops and starts", repeated(20, { type: "stop" }, { type: "start" }, opened)],
  ] as const) {
    it(`is not ${name}`, () => {
      const { reconnects, play } = watched();
      play(...inputs);
      assert.deepEqual(reconnects.storms(), []);
    });
  }

  it("is over an hour after the losses, and with the session", () => {
    const { clock, reconnects, play } = watched();
    play(...repeated(6, lost, restart, opened));
    clock.advance(3_600_000 - 30_000);
    assert.equal(reconnects.storms().length, 1);
    clock.advance(30_000);
    assert.deepEqual(reconnects.storms(), []);
    play(...repeated(6, lost, restart, opened));
    reconnects.note(inPhase(Phase.DELETING, { name: "alice" }));
    assert.deepEqual(reconnects.storms(), []);
  });
});
