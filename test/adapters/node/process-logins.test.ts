import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ProcessLogins } from "../../../src/adapters/node/process-logins.ts";
import { systemRandom } from "../../../src/adapters/node/system.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const hourMs = 3_600_000;

function setUp() {
  const clock = new FakeClock();
  return { clock, logins: new ProcessLogins({ clock, random: systemRandom }) };
}

describe("logins in a process", () => {
  it("have secrets of 256 bits, each its own", () => {
    const { logins } = setUp();
    const secrets = [logins.open(), logins.open()];
    for (const secret of secrets) assert.match(secret, /^[0-9a-f]{64}$/);
    assert.notEqual(secrets[0], secrets[1]);
    assert.deepEqual(
      secrets.map((secret) => logins.isOpen(secret)),
      [true, true],
    );
    assert.equal(logins.isOpen("0".repeat(64)), false);
  });

  it("end after 12 hours without use", () => {
    const { clock, logins } = setUp();
    const secret = logins.open();
    clock.advance(12 * hourMs - 1);
    assert.equal(logins.use(secret), true);
    clock.advance(12 * hourMs - 1);
    assert.equal(logins.isOpen(secret), true);
    clock.advance(1);
    assert.equal(logins.isOpen(secret), false);
    assert.equal(logins.use(secret), false);
  });

  it("are not used by a look at them", () => {
    const { clock, logins } = setUp();
    const secret = logins.open();
    clock.advance(12 * hourMs - 1);
    assert.equal(logins.isOpen(secret), true);
    clock.advance(1);
    assert.equal(logins.use(secret), false);
  });

  it("end at 7 days, however often they are used", () => {
    const { clock, logins } = setUp();
    const secret = logins.open();
    for (let hours = 1; hours < 7 * 24; hours += 1) {
      clock.advance(hourMs);
      assert.equal(logins.use(secret), true);
    }
    clock.advance(hourMs);
    assert.equal(logins.use(secret), false);
  });

  it("do not end by a change of the wall clock", () => {
    const { clock, logins } = setUp();
    const secret = logins.open();
    clock.jumpWall(30 * 24 * hourMs);
    assert.equal(logins.use(secret), true);
  });

  it("tell once that they have been ended", () => {
    const { logins } = setUp();
    const secret = logins.open();
    const told: string[] = [];
    logins.onEnd(secret, () => told.push("first"));
    const cancel = logins.onEnd(secret, () => told.push("second"));
    cancel();
    logins.end(secret);
    logins.end(secret);
    assert.deepEqual(told, ["first"]);
    assert.equal(logins.isOpen(secret), false);
  });

  it("are limited: one more ends the one unused for longest", () => {
    const { clock, logins } = setUp();
    const [oldest = "", used = ""] = Array.from({ length: 1_000 }, () => logins.open());
    clock.advance(1);
    logins.use(oldest);
    logins.open();
    assert.deepEqual([logins.isOpen(oldest), logins.isOpen(used)], [true, false]);
  });
});
