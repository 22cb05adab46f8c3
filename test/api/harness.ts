import type { TestContext } from "node:test";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { AuthService } from "../../gen/sessiond/v1/auth_service_pb.js";
import { Engine_Kind, type Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import { ProcessTickets } from "../../src/adapters/embedded/process-tickets.ts";
import { openMemoryBackend } from "../../src/adapters/memory/backend.ts";
import { systemRandom } from "../../src/adapters/node/system.ts";
import { ServingState } from "../../src/api/health-service.ts";
import { createRoutes } from "../../src/api/routes.ts";
import { defaultStreamPolicy } from "../../src/api/streams/live-stream.ts";
import { Warnings } from "../../src/api/warnings.ts";
import { SessionManager } from "../../src/app/session-manager.ts";
import { WebhookLog } from "../../src/app/webhook-log.ts";
import { defaultPolicy, statusOf } from "../../src/domain/session.ts";
import type { Ability, Engine, EngineEvent, EngineFactory } from "../../src/ports/engine.ts";
import type { Logger } from "../../src/ports/system.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** An engine that reports what a test tells it to. */
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

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** The API over a real manager and the memory backend; only engines are scripted, and time stands still. */
export function openHarness(t: TestContext) {
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
  const engines = new Map(
    [factory(Engine_Kind.NOWEB, ["pairingCodes"]), factory(Engine_Kind.WEBJS, ["pairingCodes", "screenshots"])].map(
      (engine) => [engine.kind, engine],
    ),
  );
  const manager = new SessionManager({
    backend,
    engines,
    clock,
    random: systemRandom,
    logger: silent,
    policy: defaultPolicy,
    globalWebhook: undefined,
    proxies: { servers: [] },
    defaultEngine: Engine_Kind.NOWEB,
    restart: "wanted",
    names: [],
  });
  const routes = createRoutes({
    manager,
    sessions: backend.sessions,
    log: backend.log,
    webhookLog: new WebhookLog({ backend, clock, random: systemRandom }),
    clock,
    logger: silent,
    admits: () => true,
    warnings: new Warnings(silent),
    drawQr: async (value) => new TextEncoder().encode(`drawn ${value}`),
    showSecrets: false,
    version: "1.2.3",
    engine: "NOWEB",
    browser: async () => undefined,
    workerId: "",
    startedAtMs: clock.nowMs(),
    pendingUnlinks: () => manager.pendingUnlinks,
    checkStore: () => backend.upkeep.check(),
    backUp: () => Promise.reject(new Error("nothing to back up")),
    tickets: new ProcessTickets({ clock, random: systemRandom }),
    serving: new ServingState({ clock, checkStore: () => backend.upkeep.check() }),
    streamPolicy: defaultStreamPolicy,
    maxStreams: 1_000,
    memory: { release() {}, schedule() {} },
    reflection: true,
  });
  const close = async () => {
    await manager.close();
    await backend.upkeep.close();
  };
  t.after(close);
  const transport = createRouterTransport(routes);
  return {
    clock,
    close,
    sessions: createClient(SessionService, transport),
    auth: createClient(AuthService, transport),
    /** The engine opened last. */
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

/** Why a call was refused: its code, reason, message and metadata. */
export async function refusal(call: Promise<unknown>) {
  const error = await call.then(
    () => new Error("it was answered"),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConnectError)) throw error;
  const [info] = error.findDetails(ErrorInfoSchema);
  return { code: Code[error.code], reason: info?.reason, message: error.rawMessage, metadata: info?.metadata };
}
