import assert from "node:assert/strict";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  OutgoingContentSchema,
  type OutgoingMessage,
  OutgoingMessageSchema,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import { MessagePayload_Ack as Ack } from "../../../gen/sessiond/v1/event_pb.js";
import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import type { Sending, SentMessage } from "../../../src/ports/sending.ts";
import type { Clock } from "../../../src/ports/system.ts";
import { EngineSession, type OpenEngine } from "../../contract/engine-session.ts";
import type { Phone } from "../../emulator/phone.ts";
import type { WhatsApp } from "../../emulator/whatsapp.ts";

type Content = MessageInitShape<typeof OutgoingContentSchema>;

let nextId = 0;

/** Returns a message to be sent, under an id of its own. */
export function outgoing(
  chatId: string,
  content: Content,
  more: MessageInitShape<typeof OutgoingMessageSchema> = {},
): OutgoingMessage {
  nextId += 1;
  const id = `3EB0${String(nextId).padStart(18, "0")}`;
  return create(OutgoingMessageSchema, { id, chatId, content: create(OutgoingContentSchema, content), ...more });
}

/** Returns a text as content. */
export const text = (value: string): Content => ({ kind: { case: "text", value: { text: value } } });

/** Returns the chat id of a phone's number. */
export const chatOf = (phone: Phone) => `${phone.number}@c.us`;

/** A paired session on an emulated WhatsApp, with one NOWEB engine after another, and the messages that it has sent. */
export class SendingSession {
  readonly whatsapp: WhatsApp;
  readonly phone: Phone;
  readonly sent = new Map<string, SentMessage>();
  readonly session: EngineSession;
  /** The present engine. */
  engine: OpenEngine;

  private constructor(whatsapp: WhatsApp, phone: Phone, session: EngineSession, engine: OpenEngine) {
    this.whatsapp = whatsapp;
    this.phone = phone;
    this.session = session;
    this.engine = engine;
    session.sentMessage = async (id) => this.sent.get(id);
  }

  /** Pairs a new session with a new phone. */
  static async open(whatsapp: WhatsApp): Promise<SendingSession> {
    const phone = whatsapp.phone();
    const session = new EngineSession(factoryOf(whatsapp, systemClock));
    const engine = await session.openLoggedIn(({ seen }) => {
      const qr = seen.findLast((event) => event.type === "qr");
      return phone.scan(qr?.value ?? "");
    });
    const opened = new SendingSession(whatsapp, phone, session, engine);
    // The look-up of sent messages is an option of the engine.
    await opened.restart();
    return opened;
  }

  /** Replaces the engine by one whose clock is `laterMs` ahead. */
  async restart(laterMs = 0): Promise<void> {
    const rest = this.engine.rest();
    await this.engine.engine.close();
    await rest;
    this.engine = this.session.open(factoryOf(this.whatsapp, laterMs === 0 ? systemClock : ahead(laterMs)));
    await this.engine.until("opened");
    await this.whatsapp.waitForLogin(this.phone.devices[0] ?? assert.fail());
  }

  get sending(): Sending {
    return this.engine.engine.sending ?? assert.fail("the engine cannot send");
  }

  /** Sends a message, and remembers it as the outbox does. */
  async send(message: OutgoingMessage): Promise<SentMessage> {
    const sent = await this.sending.send(message);
    this.sent.set(message.id, sent);
    return sent;
  }

  /** Returns the next `count` acknowledgements, each as id, name and what else it says. */
  async acks(count: number): Promise<string[][]> {
    const found = [];
    while (found.length < count) {
      const { report } = await this.engine.until("ack");
      found.push([report.id, Ack[report.ack], ...[report.participant ?? report.reason ?? []].flat()]);
    }
    return found;
  }

  close(): Promise<void> {
    return this.session.close();
  }
}

const factoryOf = ({ url }: WhatsApp, clock: Clock) => createBaileysFactory({ clock, waWebSocketUrl: url });

const ahead = (laterMs: number): Clock => ({
  ...systemClock,
  nowMs: () => systemClock.nowMs() + laterMs,
  wallMs: () => systemClock.wallMs() + laterMs,
  wallMsAt: (atMs) => systemClock.wallMsAt(atMs - laterMs) + laterMs,
  schedule: (delayMs, callback) => systemClock.schedule(delayMs, callback),
});
