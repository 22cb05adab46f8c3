import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MessageReader, type PageNames } from "../../../src/adapters/wwebjs/message-reader.ts";
import { MemoryEngineData } from "../../contract/engine-data.ts";

const me = { id: "15550000001@c.us", lid: "900000000001@lid", pushName: "Alice" };
const bob = { number: "15551112222@c.us", lid: "900000000002@lid" };
const group = "120363@g.us";
const wid = (id: string) => ({ server: id.split("@")[1], user: id.split("@")[0], _serialized: id });

/** A message as the page serialises it; ids are objects in some places and texts in others. */
const message = (
  remote: string,
  { fromMe = false, ...fields }: { fromMe?: boolean; [field: string]: unknown } = {},
) => ({
  id: { fromMe, remote, id: "3EB0", _serialized: "x" },
  type: "chat",
  body: "hello",
  t: 1_700_000_000,
  ...fields,
});

const nobody: PageNames = async () => [];
const readerOf = (askPage: PageNames, credentials = new MemoryEngineData()) => {
  const reader = new MessageReader(credentials, askPage);
  reader.setAccount(me);
  return reader;
};

describe("a page's message", () => {
  const mixed: [string, object, object][] = [
    ["the chat and the sender", message(bob.lid, { from: wid(bob.number) }), { from: bob.number, fromLid: bob.lid }],
    ["the sender and the chat", message(bob.number, { from: wid(bob.lid) }), { from: bob.number, fromLid: bob.lid }],
    [
      "the chat and the recipient",
      message(bob.lid, { fromMe: true, from: wid(me.id), to: wid(bob.number) }),
      { from: me.id, to: bob.number, toLid: bob.lid },
    ],
    [
      "the author twice",
      {
        ...message(group, { from: wid(group), author: wid(bob.lid) }),
        id: { remote: group, id: "3EB0", participant: wid(bob.number) },
      },
      { from: group, participant: bob.number, participantLid: bob.lid },
    ],
  ];
  for (const [what, data, expected] of mixed) {
    it(`tells the number where it has two ids for ${what}, and later ones show it`, async () => {
      const reader = readerOf(nobody);
      assert.partialDeepStrictEqual(await reader.read(data), expected);
      assert.equal((await reader.read(message(bob.lid)))?.from, bob.number);
    });
  }

  it("is the account's own by LID, and goes to its number", async () => {
    const read = await readerOf(nobody).read(message(me.lid, { fromMe: true, from: me.lid, to: me.lid }));
    assert.partialDeepStrictEqual(read, { id: `true_${me.id}_3EB0`, from: me.id, fromLid: me.lid, to: me.id });
  });

  it("shows the number that the page has, which another engine then knows", async () => {
    const credentials = new MemoryEngineData();
    const asked: string[] = [];
    const page: PageNames = async (ids) => {
      asked.push(...ids);
      return ids.map((id) => (id === bob.lid ? "15551112222:3@c.us" : null));
    };
    const read = await readerOf(page, credentials).read(message(bob.lid));
    assert.partialDeepStrictEqual(read, { id: `false_${bob.number}_3EB0`, from: bob.number, fromLid: bob.lid });
    assert.deepEqual(asked, [bob.lid]);
    assert.equal((await readerOf(nobody, credentials).read(message(bob.lid)))?.from, bob.number);
  });

  it("asks the page once whether a number has a LID", async () => {
    let asked = 0;
    const reader = readerOf(async () => {
      asked += 1;
      return [null];
    });
    for (let i = 0; i < 3; i++) assert.equal((await reader.read(message(bob.number)))?.from, bob.number);
    assert.equal(asked, 1);
  });

  it("stays by LID where the page knows no number, or gives the account's own", async () => {
    for (const answer of [null, me.id, bob.lid, "nonsense"]) {
      assert.equal((await readerOf(async () => [answer]).read(message(bob.lid)))?.from, bob.lid);
    }
  });
});
