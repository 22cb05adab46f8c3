import assert from "node:assert/strict";
import { it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { type Delivery, DeliverySchema, type Endpoint } from "../../../gen/sessiond/store/v1/store_pb.js";
import { DeliveryQueues, type DeliveryStore } from "../../../src/adapters/embedded/delivery-queues.ts";
import { type EndpointName, Endpoints } from "../../../src/adapters/embedded/endpoints.ts";
import type { Settlement } from "../../../src/adapters/embedded/settlement.ts";
import { MemoryDeliveryStore } from "../../../src/adapters/memory/delivery-store.ts";
import type { Claim } from "../../../src/ports/outbox.ts";
import { eventOf, Reader, seqOf } from "../../contract/backend-fixtures.ts";
import { FakeClock } from "../../support/fake-clock.ts";

/** Numbers below `limit` that look random and are the same in each run. */
function dice(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A store whose reads and writes take effect at one time and answer at another. */
class TardyStore implements DeliveryStore {
  readonly #roll: (limit: number) => number;
  readonly stored = new MemoryDeliveryStore(new Endpoints(), { isKept: () => false, append() {} });
  readonly emptiedNames: EndpointName[] = [];
  failures = 0;

  constructor(roll: (limit: number) => number) {
    this.#roll = roll;
  }

  async firstAttempts(name: EndpointName, afterSeq: bigint, limit: number): Promise<Delivery[]> {
    return this.#tardily(() => this.stored.firstAttempts(name, afterSeq, limit));
  }

  async retries(name: EndpointName, fromMs: number, limit: number): Promise<Delivery[]> {
    return this.#tardily(() => this.stored.retries(name, fromMs, limit));
  }

  async settle(name: EndpointName, delivery: Delivery, settlement: Settlement): Promise<void> {
    await this.#tardily(() => this.stored.settle(name, delivery, settlement));
  }

  endpoint(): Endpoint | undefined {
    return undefined;
  }

  emptied(name: EndpointName): void {
    this.emptiedNames.push(name);
  }

  async #tardily<T>(act: () => Promise<T>): Promise<T> {
    await turns(this.#roll(4));
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error("the disk is slow and broken");
    }
    const result = await act();
    await turns(this.#roll(4));
    return result;
  }
}

const deliveryOf = (seq: number, endpointId: string): Delivery =>
  create(DeliverySchema, { id: `${seq} ${endpointId}`, endpointId, event: { ...eventOf("alice"), seq: BigInt(seq) } });

for (let seed = 1; seed <= 20; seed += 1) {
  it(`whatever the timing, each delivery is under way once at a time and goes out in the end (${seed})`, async () => {
    const roll = dice(seed);
    const clock = new FakeClock();
    const store = new TardyStore(roll);
    const queues = new DeliveryQueues(store, clock);
    const controller = new AbortController();
    const underWay = new Set<string>();
    const done = new Set<string>();
    const firstAttempts = new Map<string, bigint>();
    const total = 150;
    let added = 0;

    const add = async () => {
      while (added < total) {
        added += 1;
        const delivery = deliveryOf(added, `e${roll(3)}`);
        store.stored.add("alice", delivery);
        await turns(roll(3));
        queues.add("alice", [delivery]);
      }
    };
    const attempt = async (claim: Claim) => {
      const { id, endpointId, attempts } = claim.delivery;
      assert.ok(!underWay.has(id) && !done.has(id), `${id} is handed out twice`);
      underWay.add(id);
      if (attempts === 0) {
        assert.ok(seqOf(claim) > (firstAttempts.get(endpointId) ?? 0n));
        firstAttempts.set(endpointId, seqOf(claim));
      }
      await turns(roll(6));
      underWay.delete(id);
      if (attempts < 3 && roll(2) === 0) return claim.retry(roll(5));
      done.add(id);
      await claim.done();
      if (done.size === total) controller.abort();
    };
    const attempts: Promise<void>[] = [];
    const read = async () => {
      for await (const claim of queues.claims(controller.signal)) attempts.push(attempt(claim));
    };
    const passTime = async () => {
      while (!controller.signal.aborted) {
        await turns(1);
        clock.advance(1);
      }
    };
    await Promise.all([add(), read(), read(), passTime()]);
    await Promise.all(attempts);
    assert.equal(done.size, total);
    assert.equal(clock.pending, 0);
    for (const name of store.emptiedNames) assert.equal(queues.has(name), false);
  });
}

it("a read that fails ends the claims with its error, and the next reader goes on", async () => {
  const clock = new FakeClock();
  const store = new TardyStore(dice(1));
  const queues = new DeliveryQueues(store, clock);
  const name = { session: "alice", endpointId: "e" };
  store.stored.add("alice", deliveryOf(1, "e"));
  queues.restore(name, { firsts: true, retriesFromMs: Number.POSITIVE_INFINITY });
  store.failures = 1;
  const { signal } = new AbortController();
  await assert.rejects(new Reader(queues.claims(signal)).next(), /broken/);
  const claim = await new Reader(queues.claims(signal)).next();
  assert.equal(seqOf(claim), 1n);
  store.failures = 1;
  await assert.rejects(claim.done(), /broken/);
  await claim.done();
  assert.deepEqual(store.emptiedNames, [name]);
  queues.close();
});
