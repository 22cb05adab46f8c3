import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { OutgoingContentSchema, type OutgoingMessage } from "../../../gen/sessiond/store/v1/store_pb.js";
import { MessagePayload_Ack as Ack, type MessagePayload_Key } from "../../../gen/sessiond/v1/event_pb.js";
import { Outgoing_State as State } from "../../../gen/sessiond/v1/outgoing_pb.js";
import { MessageCappingSchema, ReachoutTimelockSchema } from "../../../gen/sessiond/v1/session_pb.js";
import { systemRandom } from "../../../src/adapters/node/system.ts";
import { MessageSender, type SendRequest } from "../../../src/app/sending/message-sender.ts";
import type { SessionManagerOptions } from "../../../src/app/session-manager.ts";
import type { Sending } from "../../../src/ports/sending.ts";
import { type FakeEngine, me, openHarness, settle } from "../harness.ts";

/** An engine's sends, which a test controls: by default WhatsApp acknowledges each message at once. */
export class ScriptedSending implements Sending {
  /** Ids and texts that left, in order. */
  readonly left: string[] = [];
  readonly known = new Map<string, MessagePayload_Key>();
  acknowledges = true;
  /** Runs before a message leaves. */
  before = async (_message: OutgoingMessage): Promise<void> => {};
  readonly #engine: () => FakeEngine;

  constructor(engine: () => FakeEngine) {
    this.#engine = engine;
  }

  newId = () => "3EB0NEW";

  async send(message: OutgoingMessage) {
    await this.before(message);
    this.left.push(`${message.chatId} ${textOf(message)}`);
    if (this.acknowledges) this.#engine().report({ type: "ack", report: { id: message.id, ack: Ack.SERVER } });
    return { jid: message.chatId, encoded: Buffer.from(message.id) };
  }

  findMessage = async ({ id }: { id: string }) => this.known.get(id);
  markSeen = async () => {};
  setTyping = async () => {};
  findAccount = async () => undefined;
  chatIdOf = async (chatId: string) => chatId;
  limits = {
    timelock: async () => create(ReachoutTimelockSchema),
    capping: async () => create(MessageCappingSchema),
    isNewChat: async (chatId: string) => chatId.startsWith("2"),
  };
}

export const textOf = ({ content }: OutgoingMessage) => (content?.kind.case === "text" ? content.kind.value.text : "");

export const textRequest = (text: string, more: Partial<SendRequest> = {}): SendRequest => ({
  session: "alice",
  chatId: "11111111111@c.us",
  content: create(OutgoingContentSchema, { kind: { case: "text", value: { text } } }),
  fingerprint: Buffer.from(text),
  isAsync: false,
  force: false,
  ...more,
});

/** Opens a session that is WORKING, unless `works` is false, with a sender. */
export async function openSender(
  t: TestContext,
  { works = true, ...options }: Partial<SessionManagerOptions> & { readonly works?: boolean } = {},
) {
  const harness = openHarness(t, options);
  const sendings: ScriptedSending[] = [];
  harness.fixture.onOpen = (engine) => {
    const sending = new ScriptedSending(() => engine);
    sendings.push(sending);
    engine.sending = sending;
  };
  const senderOf = (manager = harness.manager) =>
    new MessageSender({
      manager,
      sessions: harness.backend.sessions,
      outgoing: harness.backend.outgoing,
      clock: harness.clock,
      random: systemRandom,
      files: { take: async (_session, _source, file) => file, drop: async () => {} },
      digest: (bytes) => createHash("sha256").update(bytes).digest(),
    });
  await harness.start();
  if (works) {
    harness.engine().report({ type: "paired", me }, { type: "opened", me });
    await settle();
  }
  const { signal } = new AbortController();
  return {
    ...harness,
    senderOf,
    sending: () => sendings.at(-1) ?? assert.fail("no engine is open"),
    send: (request: SendRequest) => senderOf().send(request, signal),
    states: async () =>
      (await harness.backend.outgoing.list("alice", { limit: 100 }))
        .reverse()
        .map((message) => `${textOf(message)} ${State[message.state]}`),
    names: async () => (await harness.events("alice")).map(({ name }) => name),
  };
}
