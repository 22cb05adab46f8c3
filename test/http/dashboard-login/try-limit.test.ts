import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TryLimit } from "../../../src/http/dashboard-login/try-limit.ts";

function setUp() {
  const time = { ms: 1_000_000 };
  return { time, limit: new TryLimit(() => time.ms) };
}

const failTimes = (limit: TryLimit, address: string, times: number) => {
  for (let n = 0; n < times; n += 1) limit.fail(address);
};

describe("the limit of failed logins", () => {
  it("is five a minute", () => {
    const { time, limit } = setUp();
    for (let n = 0; n < 5; n += 1) {
      assert.equal(limit.delayMs("10.0.0.1"), 0);
      limit.fail("10.0.0.1");
      time.ms += 1_000;
    }
    assert.equal(limit.delayMs("10.0.0.1"), 55_000);
    time.ms += 54_999;
    assert.equal(limit.delayMs("10.0.0.1"), 1);
    time.ms += 1;
    assert.equal(limit.delayMs("10.0.0.1"), 0);
    limit.fail("10.0.0.1");
    assert.equal(limit.delayMs("10.0.0.1"), 1_000);
  });

  const pairs: readonly [first: string, second: string, shared: boolean][] = [
    ["10.0.0.1", "10.0.0.2", false],
    ["10.0.0.1", "::ffff:10.0.0.1", true],
    ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true],
    ["2001:db8:0:1::1", "2001:0db8:0000:0001:0:0:0:9", true],
    ["2001:db8:0:1::1", "2001:db8:0:2::1", false],
    ["fe80::1%eth0", "fe80::2%eth0", true],
    ["::1", "127.0.0.1", false],
  ];
  for (const [first, second, shared] of pairs) {
    it(`${first} and ${second} ${shared ? "share theirs" : "have one each"}`, () => {
      const { limit } = setUp();
      failTimes(limit, first, 5);
      assert.equal(limit.delayMs(second) > 0, shared);
    });
  }

  it("forgets the address that failed first, after 10,000 others", () => {
    const { limit } = setUp();
    failTimes(limit, "10.0.0.1", 5);
    for (let n = 0; n < 9_999; n += 1) limit.fail(`10.1.${n >> 8}.${n & 255}`);
    assert.equal(limit.delayMs("10.0.0.1") > 0, true);
    limit.fail("10.2.0.0");
    assert.equal(limit.delayMs("10.0.0.1"), 0);
  });
});
