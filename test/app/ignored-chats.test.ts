import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { MessagePayloadSchema, MessageReactionPayloadSchema } from "../../gen/sessiond/v1/event_pb.js";
import { type IgnoreConfigSchema, SessionConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { configViolations } from "../../src/domain/config-violations.ts";
import type { IgnoredChats } from "../../src/domain/ignored-chats.ts";
import { me, openHarness, settle } from "./harness.ts";

const chats = {
  person: "11111111111@c.us",
  status: "status@broadcast",
  groups: "120363000000000001@g.us",
  channels: "120363000000000001@newsletter",
  broadcast: "1234567890@broadcast",
} as const;
type Kind = keyof typeof chats;
const kinds = Object.keys(chats) as Kind[];

/** Opens a WORKING session, and returns the chats of the events that follow a message and a reaction in each chat. */
async function reportedChats(
  t: TestContext,
  ignore: MessageInitShape<typeof IgnoreConfigSchema> | undefined,
  defaults?: IgnoredChats,
) {
  const { manager, engine, events } = openHarness(t, { ignore: defaults });
  const config = create(SessionConfigSchema, { ...(ignore && { ignore }) });
  await manager.create({ name: "alice", engine: 0, config, start: true });
  engine().report({ type: "paired", me }, { type: "opened", me });
  await settle();
  for (const [index, kind] of kinds.entries()) {
    for (const fromMe of [false, true]) {
      const [from, to] = fromMe ? [me.id, chats[kind]] : [chats[kind], me.id];
      const id = `${fromMe}_${chats[kind]}_${index}`;
      const value = create(MessageReactionPayloadSchema, { id: `${id}R`, from, to, fromMe });
      engine().report(
        { type: "message", message: create(MessagePayloadSchema, { id, from, to, fromMe }) },
        { type: "message_change", change: { case: "messageReaction", value } },
      );
    }
  }
  await settle();
  // The engine may acknowledge all of them.
  assert.equal(engine().asked, 2 + 4 * kinds.length + 1);
  const shown = (await events("alice")).flatMap(({ payload }) =>
    payload.case === "message" || payload.case === "messageReaction" ? [payload.value.id] : [],
  );
  return kinds.filter((kind) => {
    const of = shown.filter((id) => id.includes(chats[kind])).length;
    // message, message.any and the reaction came in; the account's own have no `message`.
    assert.ok(of === 0 || of === 5, `${kind}: ${of}`);
    return of > 0;
  });
}

describe("a session's ignored chats", () => {
  it("are none without a configuration", async (t) => {
    assert.deepEqual(await reportedChats(t, undefined), kinds);
  });

  for (const kind of kinds.filter((one) => one !== "person")) {
    it(`report neither messages nor their changes: ${kind}`, async (t) => {
      const others = kinds.filter((one) => one !== kind);
      assert.deepEqual(await reportedChats(t, { [kind]: true }), others);
    });
  }

  it("are those of the server's configuration, unless the session has its own", async (t) => {
    const all = { status: true, groups: true, channels: true, broadcast: true };
    assert.deepEqual(await reportedChats(t, undefined, all), ["person"]);
    assert.deepEqual(await reportedChats(t, { groups: false }, all), kinds);
  });
});

describe("a session's client", () => {
  it("may have names that a phone can show in a line", () => {
    const told = (client: { deviceName?: string; browserName?: string }) =>
      configViolations(create(SessionConfigSchema, { client })).map(({ field }) => field);
    for (const name of ["", "Windows", "Büro 2 · 店", "x".repeat(64)]) assert.deepEqual(told({ deviceName: name }), []);
    for (const name of ["a\nb", "\0", "x".repeat(65)]) {
      assert.deepEqual(told({ deviceName: name, browserName: name }), [
        "config.client.deviceName",
        "config.client.browserName",
      ]);
    }
  });
});
