import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Closed, closedOnRequest, crashed, deviceUnlinked } from "../../../src/adapters/engine/close-cause.ts";
import { EngineLife } from "../../../src/adapters/engine/engine-life.ts";
import type { EngineEvent } from "../../../src/ports/engine.ts";
import { LeaseLost } from "../../../src/ports/sessions.ts";
import type { Logger } from "../../../src/ports/system.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const late: Closed = { cause: "unreachable", message: "too late" };
const restart: Closed = { cause: "restart_required", message: "once more" };
const health = (healthy: boolean): EngineEvent => ({ type: "health", healthy });

function openLife(open: () => Promise<void> = async () => {}) {
  const clock = new FakeClock();
  const log: string[] = [];
  const steps: string[] = [];
  const line = (level: string) => (fields: object, message: string) => {
    log.push(`${level} ${message} ${JSON.stringify(fields)}`);
  };
  const [debug, info, warn, error] = ["debug", "info", "warn", "error"].map(line);
  assert.ok(debug && info && warn && error);
  const logger: Logger = { debug, info, warn, error, child: () => logger };
  const fixture = { release: async () => {} };
  const life = new EngineLife(
    { clock, logger },
    {
      open,
      disconnect: async () => void steps.push("disconnect"),
      release: async ({ cause }) => {
        steps.push(`release ${cause}`);
        await fixture.release();
      },
      closedBy: () => crashed,
    },
  );
  life.start();
  const readAll = async () => {
    const events: EngineEvent[] = [];
    for await (const event of life.events) events.push(event);
    return events;
  };
  return { clock, life, log, steps, fixture, readAll };
}

describe("the life of an engine", () => {
  it("closes for the first reason, and tears down once", async () => {
    const { life, steps, readAll } = openLife();
    await Promise.all([life.end(late), life.end(restart), life.end(closedOnRequest)]);
    await life.end(restart);
    assert.deepEqual(steps, ["disconnect", "release unreachable"]);
    assert.deepEqual(await readAll(), [{ type: "closed", ...late }]);
  });

  it("tears down only after opening is over, and tells opening to stop", async () => {
    const opening = Promise.withResolvers<void>();
    const { life, steps } = openLife(() => opening.promise);
    const ended = life.end(late);
    assert.equal(life.signal.aborted, true);
    await life.ending;
    assert.deepEqual(steps, []);
    opening.resolve();
    await ended;
    assert.deepEqual(steps, ["disconnect", "release unreachable"]);
  });

  it("ends with the mapped cause when opening fails, and logs the failure once", async () => {
    const { life, log, readAll } = openLife(() => Promise.reject(new Error("no way")));
    await life.gone;
    life.fail(new Error("again"));
    assert.deepEqual(await readAll(), [{ type: "closed", ...crashed }]);
    assert.deepEqual(
      log.map((entry) => /^(\w+) .*"error":"([^"]*)"/.exec(entry)?.slice(1)),
      [["error", "no way"]],
    );
  });

  it("logs no error when a newer engine has the session's data", async () => {
    const { life, log } = openLife(() => Promise.reject(new LeaseLost("gone")));
    await life.gone;
    assert.deepEqual(
      log.map((entry) => entry.split(" ")[0]),
      ["debug"],
    );
  });

  it("runs queued work in order, before it releases anything", async () => {
    const { life, steps, readAll } = openLife();
    const slow = Promise.withResolvers<void>();
    life.enqueue(async () => {
      await slow.promise;
      life.report(health(false));
    });
    life.enqueue(() => life.report(health(true)));
    const ended = life.end(late);
    slow.resolve();
    await ended;
    assert.deepEqual(steps, ["disconnect", "release unreachable"]);
    assert.deepEqual(await readAll(), [health(false), health(true), { type: "closed", ...late }]);
  });

  it("ends when queued work fails, and reports nothing after closed", async () => {
    const { life, readAll } = openLife();
    life.enqueue(() => Promise.reject(new Error("disk full")));
    await life.gone;
    life.report(health(true));
    assert.deepEqual(await readAll(), [{ type: "closed", ...crashed }]);
  });

  it("closes at the deadline that was set last, unless it is cleared", async () => {
    const { clock, life } = openLife();
    life.setDeadline(100, () => restart);
    life.setDeadline(200, () => late);
    clock.advance(150);
    assert.equal(life.closed, undefined);
    life.clearDeadline();
    clock.advance(1_000);
    assert.equal(life.closed, undefined);
    life.setDeadline(100, () => late);
    clock.advance(100);
    assert.equal(life.closed, late);
    life.setDeadline(100, () => restart);
    assert.equal(clock.pending, 0);
  });

  it("limits work by time and by its own end", async () => {
    const { clock, life } = openLife();
    assert.equal(await life.within(100, Promise.resolve("done")), "done");
    await assert.rejects(life.within(100, Promise.reject(new Error("failed"))), /failed/);
    const slow = life.within(100, new Promise(() => {}));
    clock.advance(100);
    assert.equal(await slow, undefined);
    const cut = life.within(100, new Promise(() => {}));
    void life.end(late);
    assert.equal(await cut, undefined);
    assert.equal(clock.pending, 0);
  });

  const never = new Promise<boolean>(() => {});
  const logouts = [
    { name: "the device is removed", unlink: Promise.resolve(true), isLinked: true, result: "unlinked" },
    { name: "there is no device", unlink: Promise.resolve(false), isLinked: false, result: "not_linked" },
    { name: "WhatsApp does not confirm", unlink: Promise.resolve(false), isLinked: true, result: "unknown" },
    { name: "WhatsApp logs out first", unlink: never, isLinked: true, end: deviceUnlinked, result: "unlinked" },
    { name: "a restart comes first", unlink: never, isLinked: true, end: restart, result: "again" },
    {
      name: "a restart comes first without a login",
      unlink: never,
      isLinked: false,
      end: restart,
      result: "not_linked",
    },
    { name: "it is closed first", unlink: never, isLinked: true, end: closedOnRequest, result: "unknown" },
  ];
  for (const { name, unlink, isLinked, end, result } of logouts) {
    it(`logs out with "${result}" when ${name}`, async () => {
      const { life, readAll } = openLife();
      const loggedOut = life.logOut(unlink, () => isLinked);
      if (end) void life.end(end);
      assert.equal(await loggedOut, result);
      assert.equal((await readAll()).length, 1);
    });
  }

  it("reports closed even if it cannot release everything", async () => {
    const { life, fixture, log, readAll } = openLife();
    fixture.release = () => Promise.reject(new Error("stuck"));
    await life.end(late);
    assert.deepEqual(await readAll(), [{ type: "closed", ...late }]);
    assert.match(log.join(), /error engine did not close cleanly .*stuck/);
  });

  it("warns of a reader that is far behind", () => {
    const { life, log } = openLife();
    for (let i = 0; i < 2_000; i += 1) life.report(health(true));
    assert.deepEqual(
      log,
      [1_000, 2_000].map((waiting) => `warn events wait to be recorded {"waiting":${waiting}}`),
    );
  });
});
