import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import type { SessionManager } from "../../src/app/session-manager.ts";
import { statusOf } from "../../src/domain/session.ts";
import type { UnlinkResult } from "../../src/ports/engine.ts";
import { type FakeEngine, me, openHarness, pass, settle } from "./harness.ts";

const never = new Promise<never>(() => {});
const day = 86_400_000;

/** Makes the engines opened from now on answer a logout like this. */
function answering(harness: ReturnType<typeof openHarness>, result: UnlinkResult | Promise<UnlinkResult>) {
  harness.fixture.onOpen = (engine) => {
    engine.unlinks = Promise.resolve(result);
  };
}

type Harness = ReturnType<typeof openHarness>;

/** Ways into each state from which a session is left; WhatsApp has linked the device by then. */
const places: Record<string, (harness: Harness) => Promise<void>> = {
  "just scanned": async ({ engine }) => {
    engine().qr();
    await settle();
    await engine().pair();
  },
  "paired, before the restart": async ({ engine }) => {
    engine().qr();
    engine().report({ type: "paired", me });
  },
  "paired, in the restart": async ({ engine }) => {
    engine().report({ type: "paired", me }, { type: "closed", cause: "restart_required", message: "restart" });
  },
  WORKING: async ({ engine }) => engine().report({ type: "opened", me }),
  "in back-off": async ({ engine }) => {
    engine().report({ type: "opened", me }, { type: "closed", cause: "unreachable", message: "lost" });
  },
  "replaced, waiting": async ({ engine }) => {
    engine().report({ type: "opened", me }, { type: "closed", cause: "replaced", message: "elsewhere" });
  },
  "FAILED with its login": async ({ engine }) => {
    engine().report({ type: "opened", me }, { type: "closed", cause: "client_outdated", message: "old" });
  },
  STOPPED: async ({ engine, manager }) => {
    engine().report({ type: "opened", me });
    await settle();
    await manager.stop("alice");
  },
  "STOPPED right after the scan": async ({ engine, manager }) => {
    engine().qr();
    await settle();
    await engine().pair();
    await manager.stop("alice");
  },
};

const leaving = {
  logout: async (manager: SessionManager) => (await manager.logout("alice")).outcome,
  delete: (manager: SessionManager) => manager.delete("alice"),
};

async function openAt(t: TestContext, place: (harness: Harness) => Promise<void>) {
  const harness = openHarness(t);
  await harness.start();
  await place(harness);
  await settle();
  return harness;
}

/** Returns the result of a call while time passes. */
async function inTime<T>({ clock }: Harness, call: Promise<T>): Promise<T> {
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  call.then(over, over);
  for (await settle(); !isOver; ) await pass(clock, 500, 500);
  return call;
}

const pendingOf = async ({ backend }: Harness) => (await backend.pendingUnlinks.list()).length;

/** Opens a harness with a session that was deleted while WhatsApp was away. */
async function leftBehind(t: TestContext) {
  const harness = await openAt(t, async ({ engine }) => engine().report({ type: "opened", me }));
  harness.engine().unlinks = Promise.resolve("unknown");
  answering(harness, "unknown");
  assert.equal(await inTime(harness, harness.manager.delete("alice")), "pending");
  return harness;
}

describe("a session with a device", () => {
  for (const [name, place] of Object.entries(places)) {
    for (const [verb, leave] of Object.entries(leaving)) {
      it(`is unlinked by ${verb} when it is ${name}`, async (t) => {
        const harness = await openAt(t, place);
        assert.equal(await leave(harness.manager), "unlinked");
        assert.equal(await pendingOf(harness), 0);
      });

      it(`leaves its login behind by ${verb} with WhatsApp away: ${name}`, async (t) => {
        const harness = await openAt(t, place);
        harness.engine().unlinks = Promise.resolve("unknown");
        answering(harness, "unknown");
        assert.equal(await inTime(harness, leave(harness.manager)), "pending");
        assert.equal(await pendingOf(harness), 1);
        assert.equal(harness.manager.pendingUnlinks, 1);
        assert.equal(harness.fixture.aside.length, 1, "what its engine keeps outside of the store too");
        if (verb === "logout") assert.equal((await harness.manager.get("alice")).me, undefined);
      });
    }
  }

  it("is unlinked by the next engine if WhatsApp asks for a new connection", async (t) => {
    const harness = await openAt(t, async ({ engine }) => engine().report({ type: "paired", me }));
    harness.engine().unlinks = Promise.resolve("again");
    const before = harness.engines.length;
    assert.equal(await harness.manager.delete("alice"), "unlinked");
    assert.equal(harness.engines.length, before + 1);
    assert.ok(harness.engines.every(({ closed }) => closed));
  });

  it("does not connect endlessly if WhatsApp keeps asking for new connections", async (t) => {
    const harness = await openAt(t, async ({ engine }) => engine().report({ type: "paired", me }));
    harness.engine().unlinks = Promise.resolve("again");
    answering(harness, "again");
    assert.equal(await inTime(harness, harness.manager.delete("alice")), "pending");
    assert.ok(harness.engines.length <= 5, `${harness.engines.length} engines`);
  });

  it("connects once more if the first connection fails", async (t) => {
    const harness = await openAt(t, places.STOPPED ?? assert.fail());
    answering(harness, "unknown");
    const leaving = harness.manager.delete("alice");
    await settle();
    answering(harness, "unlinked");
    assert.equal(await inTime(harness, leaving), "unlinked");
  });

  it("delays the call a few seconds at most, however slow WhatsApp is", async (t) => {
    const harness = await openAt(t, async ({ engine }) => engine().report({ type: "opened", me }));
    harness.engine().unlinks = never;
    const deleted = harness.manager.delete("alice");
    await settle();
    await pass(harness.clock, 4_000);
    assert.equal(await deleted, "pending");
  });

  it("is not set aside if its login cannot be read, and the answer says so", async (t) => {
    const harness = await openAt(t, places.STOPPED ?? assert.fail());
    harness.fixture.hasLogin = async () => {
      throw new Error("disk on fire");
    };
    assert.equal((await harness.manager.logout("alice")).outcome, "unknown");
    assert.equal(await pendingOf(harness), 0);
  });

  it("is not linked if no phone ever scanned", async (t) => {
    const harness = await openAt(t, async ({ engine }) => engine().qr());
    assert.equal((await harness.manager.logout("alice")).outcome, "not_linked");
    await harness.manager.stop("alice");
    assert.equal(await harness.manager.delete("alice"), "not_linked");
    assert.equal(await harness.manager.delete("alice"), "not_linked", "nor when there is no such session");
  });
});

describe("a login left behind", () => {
  it("frees the name at once for a session that pairs anew", async (t) => {
    const harness = await leftBehind(t);
    answering(harness, never);
    await harness.start();
    const engine = harness.engine();
    engine.report({ type: "opened", me });
    await settle();
    assert.equal(statusOf(await harness.manager.get("alice")), Status.WORKING);
    await pass(harness.clock, 2_000);
    assert.equal(harness.engine().session.startsWith("unlink:"), true, "it has an engine of its own");
    assert.equal(engine.closed, false);
  });

  it("is unlinked once WhatsApp is back, with growing delays", async (t) => {
    const harness = await leftBehind(t);
    const before = harness.engines.length;
    await pass(harness.clock, 60_000);
    const attempts = harness.engines.length - before;
    assert.ok(attempts >= 5 && attempts <= 10, `${attempts} attempts in a minute`);
    answering(harness, "unlinked");
    await pass(harness.clock, 60_000);
    assert.equal(await pendingOf(harness), 0);
    assert.equal(harness.manager.pendingUnlinks, 0);
    assert.ok(harness.log.some((line) => line.includes("the device of a former login is unlinked")));
  });

  it("is unlinked by the next process", async (t) => {
    const harness = await leftBehind(t);
    await harness.manager.close();
    answering(harness, "unlinked");
    const next = harness.reopen();
    await next.boot();
    assert.equal(next.pendingUnlinks, 1);
    assert.equal(harness.fixture.aside.length, 2, "a crash may have come before its files were moved");
    await pass(harness.clock, 2_000);
    assert.equal(next.pendingUnlinks, 0);
    assert.equal(await pendingOf(harness), 0);
  });

  for (const jumpMs of [-7_200_000, 7_200_000]) {
    it(`waits at most its delay though the clock jumps by ${jumpMs / 3_600_000} hours`, async (t) => {
      const harness = await leftBehind(t);
      await harness.manager.close();
      harness.clock.jumpWall(jumpMs);
      answering(harness, "unlinked");
      const next = harness.reopen();
      await next.boot();
      await pass(harness.clock, 2_000);
      assert.equal(await pendingOf(harness), 0);
    });
  }

  it("is given up after a day, with a log line that says what to do", async (t) => {
    const harness = await leftBehind(t);
    const startedAtMs = harness.clock.nowMs();
    while (harness.clock.nowMs() - startedAtMs < day - 3_600_000) await pass(harness.clock, 900_000, 450_000);
    assert.equal(await pendingOf(harness), 1);
    await pass(harness.clock, 7_200_000, 450_000);
    assert.equal(await pendingOf(harness), 0);
    const { length } = harness.engines;
    assert.ok(length < 150, `${length} engines in a day`);
    const lines = harness.log.filter((line) => line.startsWith("warn") && line.includes("by hand"));
    assert.equal(lines.length, 1);
  });

  it("is one of at most four that connect at a time", async (t) => {
    const harness = openHarness(t);
    const names = Array.from({ length: 10 }, (_, i) => `s${i}`);
    for (const name of names) {
      await harness.start(name);
      harness.engine().report({ type: "opened", me });
      await settle();
      harness.engine().unlinks = Promise.resolve("unknown");
      answering(harness, "unknown");
      await inTime(harness, harness.manager.delete(name));
    }
    await harness.manager.close();
    answering(harness, never);
    const before = harness.engines.length;
    const next = harness.reopen();
    await next.boot();
    await pass(harness.clock, 5_000);
    const open = (engine: FakeEngine) => !engine.closed;
    assert.equal(harness.engines.slice(before).filter(open).length, 4);
  });

  it("is not left behind twice when a crash separates its deletion and the session's", async (t) => {
    const harness = await openAt(t, async ({ engine }) => engine().report({ type: "opened", me }));
    harness.engine().unlinks = Promise.resolve("unknown");
    harness.fixture.discard = async () => {
      throw new Error("the process ends here");
    };
    answering(harness, "unknown");
    await assert.rejects(inTime(harness, harness.manager.delete("alice")), /ends here/);
    assert.equal(await pendingOf(harness), 1);
    harness.fixture.discard = async () => {};
    answering(harness, never);
    const next = harness.reopen();
    await next.boot();
    await assert.rejects(next.get("alice"), { reason: "SESSION_NOT_FOUND" });
    assert.equal(await pendingOf(harness), 1);
    assert.equal(next.pendingUnlinks, 1);
  });
});
