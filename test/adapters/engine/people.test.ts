import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { MessagePayloadSchema } from "../../../gen/sessiond/v1/event_pb.js";
import type { Pair } from "../../../src/adapters/engine/chat-id.ts";
import { People } from "../../../src/adapters/engine/people.ts";

const me = { id: "15550000001@c.us", lid: "900000000001@lid" };
const bob = { number: "15551112222@c.us", lid: "900000000002@lid" };
const carol = { number: "15553334444@c.us", lid: "900000000003@lid" };

/** A store in memory that counts its reads and writes. */
function memoryStore() {
  const values = new Map<string, string>();
  const calls = { reads: 0, writes: 0 };
  return {
    values,
    calls,
    read: async (ids: readonly string[]) => {
      calls.reads += 1;
      return ids.map((id) => values.get(id));
    },
    write: async (pairs: readonly Pair[]) => {
      calls.writes += 1;
      for (const { lid, number } of pairs) values.set(lid, number).set(number, lid);
    },
  };
}

const payload = (init: MessageInitShape<typeof MessagePayloadSchema>) =>
  create(MessagePayloadSchema, { to: me.id, toLid: me.lid, ...init });
const fromBob = () => payload({ id: `false_${bob.lid}_3EB0_1`, from: bob.lid, fromLid: bob.lid });

const completed = async (people: People, message: ReturnType<typeof payload>) => {
  const [done] = await people.complete([{ message }]);
  return done?.message ?? assert.fail();
};

describe("the people of a session", () => {
  it("leaves a LID as it is while no number is known", async () => {
    const message = await completed(new People(memoryStore(), () => me), fromBob());
    assert.deepEqual([message.id, message.from, message.fromLid], [`false_${bob.lid}_3EB0_1`, bob.lid, bob.lid]);
  });

  it("writes nothing for a pair that is known to be stored, until it changes", async () => {
    const store = memoryStore();
    const people = new People(store, () => undefined, bob);
    await people.learn([bob]);
    assert.deepEqual([store.calls.reads, store.calls.writes], [0, 0]);
    assert.equal((await completed(people, fromBob())).from, bob.number);
    await people.learn([{ lid: bob.lid, number: "4917@c.us" }]);
    assert.equal(store.calls.writes, 1);
    assert.equal((await completed(people, fromBob())).from, "4917@c.us");
  });

  it("shows the number in every place once a pair was learned, without a read", async () => {
    const store = memoryStore();
    const people = new People(store, () => me);
    await people.learn([bob, carol]);
    const inGroup = payload({
      id: `false_120363@g.us_3EB0_${bob.lid}`,
      from: "120363@g.us",
      participant: bob.lid,
      participantLid: bob.lid,
      replyTo: { id: "ABC", participant: carol.lid, body: "before" },
    });
    for (const [message, expected] of [
      [fromBob(), { id: `false_${bob.number}_3EB0_1`, from: bob.number, fromLid: bob.lid }],
      [
        payload({ id: `true_${bob.lid}_A`, fromMe: true, from: me.id, fromLid: me.lid, to: bob.lid, toLid: bob.lid }),
        { id: `true_${bob.number}_A`, to: bob.number, toLid: bob.lid },
      ],
      [
        payload({ id: `false_${bob.number}_A`, from: bob.number }),
        { id: `false_${bob.number}_A`, from: bob.number, fromLid: bob.lid },
      ],
      [
        inGroup,
        {
          id: `false_120363@g.us_3EB0_${bob.number}`,
          from: "120363@g.us",
          participant: bob.number,
          participantLid: bob.lid,
          replyTo: { id: "ABC", participant: carol.number, participantLid: carol.lid, body: "before" },
        },
      ],
    ] as const) {
      assert.partialDeepStrictEqual(await completed(people, message), expected);
    }
    assert.equal(store.calls.reads, 0);
  });

  it("knows pairs that an earlier engine has stored", async () => {
    const store = memoryStore();
    await new People(store, () => me).learn([bob]);
    assert.equal((await completed(new People(store, () => me), fromBob())).from, bob.number);
  });

  it("gives a message whose people are named at once, and stores a pair once", async () => {
    const store = memoryStore();
    const people = new People(store, () => me);
    for (let i = 0; i < 3; i++) await people.learn([bob, undefined]);
    const message = payload({ id: `false_${bob.number}_A`, from: bob.number, fromLid: bob.lid });
    assert.ok(Array.isArray(people.complete([{ message }])));
    assert.deepEqual(store.calls, { reads: 0, writes: 1 });
  });

  it("takes the later of two numbers for a LID", async () => {
    const people = new People(memoryStore(), () => me);
    await people.learn([bob]);
    await people.learn([{ lid: bob.lid, number: carol.number }]);
    assert.equal((await completed(people, fromBob())).from, carol.number);
  });

  it("knows a number that was given up by no LID, from memory and from the store", async () => {
    const store = memoryStore();
    const people = new People(store, () => me);
    await people.learn([bob]);
    await people.learn([{ lid: bob.lid, number: carol.number }]);
    const byNumber = () => payload({ id: `false_${bob.number}_A`, from: bob.number });
    assert.equal((await completed(people, byNumber())).fromLid, undefined);
    assert.equal((await completed(new People(store, () => me), byNumber())).fromLid, undefined);
  });

  it("believes no pair of the account's own id and another's, told or stored", async () => {
    const store = memoryStore();
    store.values.set(bob.lid, me.id);
    const people = new People(store, () => me);
    await people.learn([
      { lid: bob.lid, number: me.id },
      { lid: me.lid, number: bob.number },
    ]);
    assert.equal(store.calls.writes, 0);
    assert.equal((await completed(people, fromBob())).from, bob.lid);
  });

  it("gives the message as it came when the store cannot be read", async () => {
    const store = { ...memoryStore(), read: () => Promise.reject(new Error("gone")) };
    assert.equal((await completed(new People(store, () => me), fromBob())).from, bob.lid);
  });

  it("goes on knowing people from its store when it hears of thousands", async () => {
    const people = new People(memoryStore(), () => me);
    await people.learn([bob]);
    for (let i = 0; i < 2_000; i++) await people.learn([{ lid: `${i}@lid`, number: `1${i}@c.us` }]);
    assert.equal((await completed(people, fromBob())).from, bob.number);
  });
});
