import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Turns } from "../../../src/adapters/wwebjs/turns.ts";

const turn = () => new Promise(setImmediate);

describe("turns", () => {
  it("let so many through, and the others in the order they came", async () => {
    const turns = new Turns(2);
    const { signal } = new AbortController();
    const ends = await Promise.all([turns.take(signal), turns.take(signal)]);
    const order: number[] = [];
    const later = [1, 2, 3].map(async (i) => {
      const end = await turns.take(signal);
      order.push(i);
      return end;
    });
    await turn();
    assert.deepEqual(order, []);
    ends[0]?.();
    await turn();
    assert.deepEqual(order, [1]);
    ends[1]?.();
    (await later[0])?.();
    await turn();
    assert.deepEqual(order, [1, 2, 3]);
  });

  it("are not lost on who leaves before it is called", async () => {
    const turns = new Turns(1);
    const { signal } = new AbortController();
    const end = await turns.take(signal);
    const leaving = new AbortController();
    const left = turns.take(leaving.signal);
    const next = turns.take(signal);
    leaving.abort(new Error("left"));
    await assert.rejects(left, /left/);
    await assert.rejects(turns.take(leaving.signal), /left/);
    end();
    (await next)();
    (await turns.take(signal))();
  });
});
