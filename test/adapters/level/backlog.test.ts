import assert from "node:assert/strict";
import { it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createSession, newEvent, Reader, recordOf, seqOf } from "../../contract/backend-fixtures.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { storeDirectory } from "./store-directory.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

function heapMegabytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed / 1_000_000;
}

it("100,000 pending deliveries stay out of memory, also after a restart", async (t) => {
  const store = await storeDirectory(t);
  const first = await store.open(new FakeClock());
  const sessions = await Promise.all(
    Array.from({ length: 10 }, async (_, n) => ({ name: `s${n}`, ...(await createSession(first, `s${n}`, ["one"])) })),
  );
  const fill = async (commits: number) => {
    for (let n = 0; n < commits; n += 1) {
      await Promise.all(
        sessions.map(({ name, lease }) => {
          const events = Array.from({ length: 100 }, () => newEvent(name, "one"));
          return first.sessions.commit(lease, { record: recordOf(name), events });
        }),
      );
    }
  };
  // From here on the window of newest events is full.
  await fill(5);
  const before = heapMegabytes();
  await fill(95);
  assert.ok(heapMegabytes() - before < 8, "the backlog is held in memory");
  await first.upkeep.close();

  const second = await store.open(new FakeClock());
  const claims = new Reader(second.outbox.claims(new AbortController().signal));
  let last = 0n;
  for (let n = 0; n < 500; n += 1) {
    const claim = await claims.next();
    if (claim.delivery.event?.session === "s0") {
      assert.ok(seqOf(claim) > last);
      last = seqOf(claim);
    }
    await claim.done();
  }
  assert.ok(last > 0n);
  assert.ok(heapMegabytes() - before < 8, "the backlog is read into memory");
});
