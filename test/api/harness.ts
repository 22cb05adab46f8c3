import type { TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import type { OutgoingMessage } from "../../gen/sessiond/store/v1/store_pb.js";
import { AuthService } from "../../gen/sessiond/v1/auth_service_pb.js";
import { MessagePayload_Ack as Ack, MessagePayload_KeySchema } from "../../gen/sessiond/v1/event_pb.js";
import {
  Engine_Kind,
  MessageCappingSchema,
  ReachoutTimelockSchema,
  type Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import { SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import { openMemoryBackend } from "../../src/adapters/memory/backend.ts";
import { statusOf } from "../../src/domain/session.ts";
import type { Ability, Engine, EngineEvent, EngineFactory } from "../../src/ports/engine.ts";
import type { MessageFile, MessageFiles } from "../../src/ports/media.ts";
import { type Sending, SendRefused } from "../../src/ports/sending.ts";
import { collect } from "../support/async-items.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { startServer } from "../support/server.ts";

/** Engine that reports events on a test's command. */
export class ScriptedEngine implements Engine {
  readonly #queue: EngineEvent[] = [];
  #closed = false;
  #onEvent = () => {};
  readonly events = this.#read();

  report(event: EngineEvent): void {
    if (this.#closed) return;
    this.#closed = event.type === "closed";
    this.#queue.push(event);
    this.#onEvent();
  }

  offer(value: string, serial = 1): void {
    this.report({ type: "qr", value, serial, remaining: 6 - serial, issuedAtMs: 0, expiresAtMs: 60_000 });
  }

  /** Requests of calls that send, in order. WhatsApp acknowledges each at once. */
  readonly sent: OutgoingMessage[] = [];
  /** Contents of the files that were sent, in order. */
  readonly files: Buffer[] = [];
  /** Requests of callers beside messages. */
  readonly acts: string[] = [];
  /** Files of messages, by WhatsApp's id. */
  readonly known = new Map<string, MessageFile>();
  readonly messageFiles: MessageFiles = { find: async ({ id }) => this.known.get(id) };
  readonly sending: Sending = {
    limits: {
      timelock: async () => create(ReachoutTimelockSchema, { isActive: true, enforcementType: "DEFAULT" }),
      capping: async () => create(MessageCappingSchema, { cappingStatus: "NONE", totalQuota: -1, usedQuota: 0 }),
      // Strangers have numbers that begin with 2.
      isNewChat: async (chatId) => chatId.startsWith("2"),
    },
    newId: () => "3EB0",
    send: async (message, file) => {
      if (message.chatId === "99999999999@c.us") throw new SendRefused("NO_ACCOUNT", "no account");
      if (file) this.files.push(Buffer.concat(await collect(file())));
      this.sent.push(message);
      this.report({ type: "ack", report: { id: message.id, ack: Ack.SERVER } });
      return { jid: message.chatId.replace("@c.us", "@s.whatsapp.net"), encoded: new Uint8Array() };
    },
    findMessage: async ({ id, chatId }) =>
      id === "UNKNOWN" ? undefined : create(MessagePayload_KeySchema, { id, remoteJid: chatId, fromMe: false }),
    // Members have numbers that begin with 2, and no chat has others.
    strangers: async (_, mentions) => mentions.filter((one) => one !== "all" && !one.startsWith("2")),
    markSeen: async (chatId, ids) => void this.acts.push(`seen ${chatId} ${ids.join()}`),
    setTyping: async (chatId, isTyping) => void this.acts.push(`${isTyping ? "typing" : "stopped"} ${chatId}`),
    findAccount: async (phone) => (phone.startsWith("55") ? { chatId: `${phone}@c.us` } : undefined),
  };

  readonly pairingCodes = { request: async (phoneNumber: string) => `CODE${phoneNumber.slice(0, 4)}` };

  async logout() {
    return "unlinked" as const;
  }

  readonly screenshots = { take: async () => new TextEncoder().encode("page") };

  async close(): Promise<void> {
    this.report({ type: "closed", cause: "unreachable", message: "closed" });
  }

  async *#read(): AsyncIterable<EngineEvent> {
    for (;;) {
      const event = this.#queue.shift();
      if (event) yield event;
      else await new Promise<void>((resolve) => (this.#onEvent = resolve));
      if (event?.type === "closed") return;
    }
  }
}

/** Opens a client of the server, with scripted engines and a clock that advances by 1 ms with each call. */
export async function openHarness(t: TestContext, more: Readonly<Record<string, string>> = {}) {
  const clock = new FakeClock();
  const backend = openMemoryBackend({ clock });
  const opened: ScriptedEngine[] = [];
  const factory = (kind: Engine_Kind, abilities: readonly Ability[]): EngineFactory => ({
    kind,
    abilities,
    open() {
      const engine = new ScriptedEngine();
      opened.push(engine);
      return engine;
    },
    hasLogin: async () => true,
  });
  const engines = [
    factory(Engine_Kind.NOWEB, ["pairingCodes", "messageFiles"]),
    factory(Engine_Kind.WEBJS, ["pairingCodes", "screenshots"]),
  ];
  const drawQr = async (value: string) => new TextEncoder().encode(`drawn ${value}`);
  const env = { SESSIOND_CONNECTS_PER_SECOND: "10000", ...more };
  const server = await startServer(t, env, { clock, backend, engines, drawQr });
  // Each call takes 1 ms, so that its session need not wait to connect.
  const tick: Interceptor = (next) => (request) => {
    clock.advance(1);
    return next(request);
  };
  const transport = createGrpcTransport({ baseUrl: server.url, interceptors: [tick] });
  return {
    clock,
    stop: () => server.stop(),
    url: server.url,
    sessions: createClient(SessionService, transport),
    auth: createClient(AuthService, transport),
    /** Returns the engine opened last. */
    engine(): ScriptedEngine {
      const engine = opened.at(-1);
      if (!engine) throw new Error("no engine was opened");
      return engine;
    },
    /** Resolves when a session has a status. */
    async until(session: string, status: Status): Promise<void> {
      for await (const { record } of backend.sessions.watch(session, new AbortController().signal)) {
        if (record && statusOf(record) === status) return;
      }
    },
  };
}

/** Returns the code, reason, message and metadata with which a call was refused. */
export async function refusal(call: Promise<unknown>) {
  const error = await call.then(
    () => new Error("it was answered"),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConnectError)) throw error;
  const [info] = error.findDetails(ErrorInfoSchema);
  return { code: Code[error.code], reason: info?.reason, message: error.rawMessage, metadata: info?.metadata };
}
