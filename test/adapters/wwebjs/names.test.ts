import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { WebAddressing, WebPhone } from "../../emulator/wwebjs/web-phone.ts";
import { WebjsFixture } from "./webjs-fixture.ts";

const group = "120363000000000001@g.us";
const lidOnly: WebAddressing = { by: "lid" };
const known: WebAddressing = { by: "lid", tellsPair: true };

describe("people named by LIDs, to a WEBJS engine", () => {
  let fixture: WebjsFixture;

  before(async () => {
    fixture = await WebjsFixture.start();
  });
  after(() => fixture.close());

  it("have the number as soon as the page knows it, also once it has forgotten", async () => {
    const session = fixture.session();
    const { phone } = session;
    let engine = await session.working();
    const bob = fixture.whatsapp.phone();
    const heard = async (from: WebPhone, to: WebPhone, addressing: WebAddressing) => {
      await from.sendTextTo(to, "hello", addressing);
      return (await engine.until("message")).message;
    };

    const first = await heard(bob, phone, lidOnly);
    assert.deepEqual([first.from, first.fromLid], [bob.lid, bob.lid]);
    for (const addressing of [known, lidOnly, {}]) {
      const { id, from, fromLid, to, toLid } = await heard(bob, phone, addressing);
      assert.deepEqual([from, fromLid, to, toLid], [bob.jid, bob.lid, phone.jid, phone.lid]);
      assert.ok(id.startsWith(`false_${bob.jid}_`), id);
    }
    const own = await heard(phone, bob, lidOnly);
    assert.deepEqual([own.from, own.to, own.toLid], [phone.jid, bob.jid, bob.lid]);
    const inGroup = await heard(bob, phone, { ...lidOnly, group });
    assert.deepEqual([inGroup.from, inGroup.participant, inGroup.participantLid], [group, bob.jid, bob.lid]);
    assert.ok(inGroup.id.endsWith(`_${bob.jid}`), inGroup.id);
    const stranger = fixture.whatsapp.phone();
    assert.equal((await heard(stranger, phone, { ...lidOnly, group })).participant, stranger.lid);

    await engine.engine.close();
    engine = session.open();
    await engine.until("opened");
    assert.equal((await heard(bob, phone, lidOnly)).from, bob.jid);
  });
});
