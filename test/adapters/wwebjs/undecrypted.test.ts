import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { Undecrypted } from "../../../src/adapters/wwebjs/undecrypted.ts";
import { MemoryEngineData } from "../../contract/engine-data.ts";
import type { OpenEngine } from "../../contract/engine-session.ts";
import type { WebPhone } from "../../emulator/wwebjs/web-phone.ts";
import { WebjsFixture, type WebjsSession } from "./webjs-fixture.ts";

describe("a message that the page cannot decrypt at once", () => {
  let fixture: WebjsFixture;
  let session: WebjsSession;
  let bob: WebPhone;

  before(async () => {
    fixture = await WebjsFixture.start();
    session = fixture.session();
    bob = fixture.whatsapp.phone();
    await (await session.working()).engine.close();
  });
  afterEach(() => session.close());
  after(() => fixture.close());

  const bodyOf = async (engine: OpenEngine) => (await engine.until("message")).message.body;

  async function opened(): Promise<OpenEngine> {
    const engine = session.open();
    await engine.until("opened");
    return engine;
  }

  /** Sends a message that cannot be decrypted yet, and a newer one, and reads up to the newer one. */
  async function sendBoth(engine: OpenEngine): Promise<string> {
    const id = await bob.sendTextTo(session.phone, "late", { isUndecrypted: true });
    await bob.sendTextTo(session.phone, "newer");
    const { message } = await engine.until("message");
    assert.equal(message.body, "newer");
    // Later than all messages of this test.
    session.reportedUntilMs = message.timestamp * 1_000 + 60_000;
    return id;
  }

  /** Closes an engine whose reported events all count as recorded. */
  async function closeAfterAll(engine: OpenEngine): Promise<void> {
    const rest = engine.rest();
    await engine.engine.close();
    await rest;
  }

  /** Asserts that no message is reported again. */
  async function assertAllReported(): Promise<void> {
    const engine = await opened();
    await bob.sendTextTo(session.phone, "next");
    assert.equal(await bodyOf(engine), "next");
    await engine.engine.close();
  }

  it("is reported once it is decrypted", async () => {
    const engine = await opened();
    bob.sendAgain(await sendBoth(engine));
    assert.equal(await bodyOf(engine), "late");
    await bob.sendTextTo(session.phone, "last");
    assert.equal(await bodyOf(engine), "last");
    await closeAfterAll(engine);
    await assertAllReported();
  });

  for (const moment of ["before its engine closes", "while no engine is open", "by the next engine's page"] as const) {
    it(`is reported by the next engine if it is decrypted ${moment}`, async () => {
      const engine = await opened();
      const id = await sendBoth(engine);
      if (moment === "before its engine closes") {
        bob.sendAgain(id);
        await fixture.whatsapp.until(() => session.phone.devices.every(({ waiting }) => waiting.size === 0));
      }
      await engine.engine.close();
      if (moment === "while no engine is open") bob.sendAgain(id);
      const next = await opened();
      if (moment === "by the next engine's page") bob.sendAgain(id);
      assert.equal(await bodyOf(next), "late");
      await closeAfterAll(next);
      await assertAllReported();
    });
  }
});

describe("the ids of messages that the page cannot decrypt yet", () => {
  it("are there for the next engine until they are removed", async () => {
    const credentials = new MemoryEngineData();
    const first = await Undecrypted.open(credentials);
    for (const id of ["a", "b", "a", "c"]) await first.add(id);
    await first.remove("b");
    assert.deepEqual((await Undecrypted.open(credentials)).ids, ["a", "c"]);
    for (const id of ["a", "c"]) await first.remove(id);
    assert.equal(credentials.values.size, 0);
  });

  it("are the last 100", async () => {
    const credentials = new MemoryEngineData();
    const all = Array.from({ length: 120 }, (_, i) => `id ${i}`);
    const undecrypted = await Undecrypted.open(credentials);
    for (const id of all) await undecrypted.add(id);
    assert.deepEqual((await Undecrypted.open(credentials)).ids, all.slice(20));
  });

  for (const text of ["", "{", "{}", "null", "[1,null]"]) {
    it(`are none if ${JSON.stringify(text)} is stored`, async () => {
      const credentials = new MemoryEngineData();
      await credentials.write(new Map([["undecrypted", Buffer.from(text)]]));
      assert.deepEqual((await Undecrypted.open(credentials)).ids, []);
    });
  }
});
