import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { callSignal } from "../../src/http/call-signals.ts";

describe("the signal of a call", () => {
  it("aborts with the call, for the same reason", () => {
    const call = new AbortController();
    const signal = callSignal(call.signal, undefined);
    assert.equal(signal.aborted, false);
    call.abort("left");
    assert.equal(signal.reason, "left");
  });

  it("aborts when the server stops, and keeps the reason when the call ends afterwards", () => {
    const [shutdown, call, other] = [new AbortController(), new AbortController(), new AbortController()];
    const followed = [call, other].map((one) => callSignal(one.signal, shutdown.signal));
    shutdown.abort("stopping");
    call.abort("left");
    assert.deepEqual(
      followed.map(({ reason }) => reason),
      ["stopping", "stopping"],
    );
  });

  it("keeps the reason of a call that ended before the server stops", () => {
    const [shutdown, call] = [new AbortController(), new AbortController()];
    const signal = callSignal(call.signal, shutdown.signal);
    call.abort("left");
    shutdown.abort("stopping");
    assert.equal(signal.reason, "left");
  });

  it("is aborted from the start after the end of the call or of the server", () => {
    const [shutdown, open] = [new AbortController(), new AbortController()];
    assert.equal(callSignal(AbortSignal.abort("left"), shutdown.signal).reason, "left");
    shutdown.abort("stopping");
    assert.equal(callSignal(open.signal, shutdown.signal).reason, "stopping");
  });
});
