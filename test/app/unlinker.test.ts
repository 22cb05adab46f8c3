import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import type { SessionManager } from "../../src/app/session-manager.ts";
import { statusOf } from "../../src/domain/session.ts";
import type { UnlinkResult } from "../../src/ports/engine.ts";
import { type FakeEngine, me, openHouse, pass, settle } from "./house.ts";

const never = new Promise<never>(() => {});
const day = 86_400_000;

/** WhatsApp as engines opened from now on find it: it answers a logout like this. */
function answering(house: ReturnType<typeof openHouse>, result: UnlinkResult | Promise<UnlinkResult>) {
  house.world.onOpen = (engine) => {
    engine.unlinks = Promise.resolve(result);
  };
}

type House = ReturnType<typeof openHouse>;

/** How a session gets to where it is to be left from; the device is linked at WhatsApp by then. */
const places: Record<string, (house: House) => Promise<void>> = {
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

async function openAt(t: TestContext, place: (house: House) => Promise<void>) {
  const house = openHouse(t);
  await house.start();
  await place(house);
  await settle();
  return house;
}

/** What a call comes to, while time passes. */
async function inTime<T>({ clock }: House, call: Promise<T>): Promise<T> {
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  call.then(over, over);
  for (await settle(); !isOver; ) await pass(clock, 500, 500);
  return call;
}

const pendingOf = async ({ backend }: House) => (await backend.pendingUnlinks.list()).length;

/** A session that was deleted while WhatsApp was away. */
async function leftBehind(t: TestContext) {
  const house = await openAt(t, async ({ engine }) => engine().report({ type: "opened", me }));
  house.engine().unlinks = Promise.resolve("unknown");
  answering(house, "unknown");
  assert.equal(await inTime(house, house.manager.delete("alice")), "pending");
  return house;
}

describe("a session with a device", () => {
  for (const [name, place] of Object.entries(places)) {
    for (const [verb, leave] of Object.entries(leaving)) {
      it(`is unlinked by ${verb} when it is ${name}`, async (t) => {
        const house = await openAt(t, place);
        assert.equal(await leave(house.manager), "unlinked");
        assert.equal(await pendingOf(house), 0);
      });

      it(`leaves its login behind by ${verb} when it is ${name} and WhatsApp is away`, async (t) => {
        const house = await openAt(t, place);
        house.engine().unlinks = Promise.resolve("unknown");
        answering(house, "unknown");
        assert.equal(await inTime(house, leave(house.manager)), "pending");
        assert.equal(await pendingOf(house), 1);
        assert.equal(house.manager.pendingUnlinks, 1);
        assert.equal(house.world.aside.length, 1, "what its engine keeps outside of the store too");
        if (verb === "logout") assert.equal((await house.manager.get("alice")).me, undefined);
      });
    }
  }

  it("is unlinked by the next engine where WhatsApp asks for a new connection", async (t) => {
    const house = await openAt(t, async ({ engine }) => engine().report({ type: "paired", me }));
    house.engine().unlinks = Promise.resolve("again");
    const before = house.engines.length;
    assert.equal(await house.manager.delete("alice"), "unlinked");
    assert.equal(house.engines.length, before + 1);
    assert.ok(house.engines.every(({ closed }) => closed));
  });

  it("is not connected without end where WhatsApp asks for that again and again", async (t) => {
    const house = await openAt(t, async ({ engine }) => engine().report({ type: "paired", me }));
    house.engine().unlinks = Promise.resolve("again");
    answering(house, "again");
    assert.equal(await inTime(house, house.manager.delete("alice")), "pending");
    assert.ok(house.engines.length <= 5, `${house.engines.length} engines`);
  });

  it("is connected for once more where the first connection comes to nothing", async (t) => {
    const house = await openAt(t, places.STOPPED ?? assert.fail());
    answering(house, "unknown");
    const leaving = house.manager.delete("alice");
    await settle();
    answering(house, "unlinked");
    assert.equal(await inTime(house, leaving), "unlinked");
  });

  it("is given up by the call after a few seconds, however long WhatsApp takes", async (t) => {
    const house = await openAt(t, async ({ engine }) => engine().report({ type: "opened", me }));
    house.engine().unlinks = never;
    const deleted = house.manager.delete("alice");
    await settle();
    await pass(house.clock, 4_000);
    assert.equal(await deleted, "pending");
  });

  it("that cannot be read is not set aside, and the answer says so", async (t) => {
    const house = await openAt(t, places.STOPPED ?? assert.fail());
    house.world.hasLogin = async () => {
      throw new Error("disk on fire");
    };
    assert.equal((await house.manager.logout("alice")).outcome, "unknown");
    assert.equal(await pendingOf(house), 0);
  });

  it("is not linked when no phone ever scanned", async (t) => {
    const house = await openAt(t, async ({ engine }) => engine().qr());
    assert.equal((await house.manager.logout("alice")).outcome, "not_linked");
    await house.manager.stop("alice");
    assert.equal(await house.manager.delete("alice"), "not_linked");
    assert.equal(await house.manager.delete("alice"), "not_linked", "nor when there is no such session");
  });
});

describe("a login that was left behind", () => {
  it("frees the name at once, for a session that pairs anew", async (t) => {
    const house = await leftBehind(t);
    answering(house, never);
    await house.start();
    const engine = house.engine();
    engine.report({ type: "opened", me });
    await settle();
    assert.equal(statusOf(await house.manager.get("alice")), Status.WORKING);
    await pass(house.clock, 2_000);
    assert.equal(house.engine().session.startsWith("unlink:"), true, "it has an engine of its own");
    assert.equal(engine.closed, false);
  });

  it("is unlinked once WhatsApp is back, with waits that grow", async (t) => {
    const house = await leftBehind(t);
    const before = house.engines.length;
    await pass(house.clock, 60_000);
    const attempts = house.engines.length - before;
    assert.ok(attempts >= 5 && attempts <= 10, `${attempts} attempts in a minute`);
    answering(house, "unlinked");
    await pass(house.clock, 60_000);
    assert.equal(await pendingOf(house), 0);
    assert.equal(house.manager.pendingUnlinks, 0);
    assert.ok(house.log.some((line) => line.includes("the device of a former login is unlinked")));
  });

  it("is unlinked by the next process", async (t) => {
    const house = await leftBehind(t);
    await house.manager.close();
    answering(house, "unlinked");
    const next = house.reopen();
    await next.boot();
    assert.equal(next.pendingUnlinks, 1);
    await pass(house.clock, 2_000);
    assert.equal(next.pendingUnlinks, 0);
    assert.equal(await pendingOf(house), 0);
  });

  for (const jumpMs of [-7_200_000, 7_200_000]) {
    it(`waits for no longer than its delay though the clock jumps by ${jumpMs / 3_600_000} hours`, async (t) => {
      const house = await leftBehind(t);
      await house.manager.close();
      house.clock.jumpWall(jumpMs);
      answering(house, "unlinked");
      const next = house.reopen();
      await next.boot();
      await pass(house.clock, 2_000);
      assert.equal(await pendingOf(house), 0);
    });
  }

  it("is given up after a day, with a line that says what to do", async (t) => {
    const house = await leftBehind(t);
    const startedAtMs = house.clock.nowMs();
    while (house.clock.nowMs() - startedAtMs < day - 3_600_000) await pass(house.clock, 900_000, 450_000);
    assert.equal(await pendingOf(house), 1);
    await pass(house.clock, 7_200_000, 450_000);
    assert.equal(await pendingOf(house), 0);
    const { length } = house.engines;
    assert.ok(length < 150, `${length} engines in a day`);
    const lines = house.log.filter((line) => line.startsWith("warn") && line.includes("by hand"));
    assert.equal(lines.length, 1);
  });

  it("connects no more than four at a time", async (t) => {
    const house = openHouse(t);
    const names = Array.from({ length: 10 }, (_, i) => `s${i}`);
    for (const name of names) {
      await house.start(name);
      house.engine().report({ type: "opened", me });
      await settle();
      house.engine().unlinks = Promise.resolve("unknown");
      answering(house, "unknown");
      await inTime(house, house.manager.delete(name));
    }
    await house.manager.close();
    answering(house, never);
    const before = house.engines.length;
    const next = house.reopen();
    await next.boot();
    await pass(house.clock, 5_000);
    const open = (engine: FakeEngine) => !engine.closed;
    assert.equal(house.engines.slice(before).filter(open).length, 4);
  });

  it("is not left behind twice when a crash comes between its deletion and the session's", async (t) => {
    const house = await openAt(t, async ({ engine }) => engine().report({ type: "opened", me }));
    house.engine().unlinks = Promise.resolve("unknown");
    house.world.discard = async () => {
      throw new Error("the process ends here");
    };
    answering(house, "unknown");
    await assert.rejects(inTime(house, house.manager.delete("alice")), /ends here/);
    assert.equal(await pendingOf(house), 1);
    house.world.discard = async () => {};
    answering(house, never);
    const next = house.reopen();
    await next.boot();
    await assert.rejects(next.get("alice"), { reason: "SESSION_NOT_FOUND" });
    assert.equal(await pendingOf(house), 1);
    assert.equal(next.pendingUnlinks, 1);
  });
});
