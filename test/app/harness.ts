import type { TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { MessagePayloadSchema } from "../../gen/sessiond/v1/event_pb.js";
import { Engine_Kind, MeSchema } from "../../gen/sessiond/v1/session_pb.js";
import { openMemoryBackend } from "../../src/adapters/memory/backend.ts";
import { systemRandom } from "../../src/adapters/node/system.ts";
import { SessionManager, type SessionManagerOptions } from "../../src/app/session-manager.ts";
import { defaultPolicy } from "../../src/domain/session.ts";
import type {
  Credentials,
  Engine,
  EngineEvent,
  EngineFactory,
  EngineFiles,
  EngineOptions,
  UnlinkResult,
} from "../../src/ports/engine.ts";
import type { FileArchive } from "../../src/ports/profiles.ts";
import type { Sending } from "../../src/ports/sending.ts";
import { LeaseLost } from "../../src/ports/sessions.ts";
import type { Logger } from "../../src/ports/system.ts";
import { FakeClock } from "../support/fake-clock.ts";

export const me = create(MeSchema, { id: "79111111@c.us", pushName: "WAHA" });
export const messageOf = (id: string, timestamp = 0) =>
  create(MessagePayloadSchema, { id, timestamp, from: "1@c.us", body: id });

const loginKey = "login";
export const hasLogin = async (credentials: Credentials) => (await credentials.read([loginKey]))[0] !== undefined;

/** Engine that a test controls: it reports and answers as the test says. */
export class FakeEngine implements Engine {
  static readonly closesAtOnce = Promise.resolve();
  readonly session: string;
  readonly reportedUntilMs: number | undefined;
  readonly archive: FileArchive | undefined;
  readonly sentMessage: EngineOptions["sentMessage"];
  lastInboundAtMs = 1_000;
  /** Promises that `logout` and `close` wait for. */
  unlinks: Promise<UnlinkResult> = Promise.resolve("unlinked");
  closes: Promise<void> = FakeEngine.closesAtOnce;
  /** Events that the reader has asked for so far. */
  asked = 0;
  closed = false;
  /** True if it was told to close. */
  closing = false;
  /** Sends messages; undefined unless a test sets it. */
  sending?: Sending;
  readonly #credentials: Credentials;
  readonly #queue: EngineEvent[] = [];
  #wake = () => {};
  readonly events = this.#read();

  constructor({ session, credentials, reportedUntilMs, archive, sentMessage }: EngineOptions) {
    this.archive = archive;
    this.sentMessage = sentMessage;
    this.session = session;
    this.#credentials = credentials;
    this.reportedUntilMs = reportedUntilMs;
  }

  report(...events: EngineEvent[]): void {
    if (this.closed) return;
    if (events.some(({ type }) => type === "paired" || type === "opened")) this.pair().catch(ignoreLeaseLost);
    this.#queue.push(...events);
    if (events.some((event) => event.type === "closed")) this.closed = true;
    this.#wake();
  }

  qr(value = "code"): void {
    this.report({ type: "qr", value, serial: 1, remaining: 5, issuedAtMs: 0, expiresAtMs: 60_000 });
  }

  readonly pairingCodes = { request: async () => "ABCDEFGH" };

  /** Links the device by a phone, before the engine has reported it. */
  async pair(): Promise<void> {
    await this.#credentials.write(new Map([[loginKey, Buffer.from("login")]]));
  }

  async logout(): Promise<UnlinkResult> {
    const result = (await hasLogin(this.#credentials)) ? await this.unlinks : "not_linked";
    this.report({ type: "closed", cause: "logged_out", message: "unlinked" });
    return result;
  }

  async close(): Promise<void> {
    this.closing = true;
    await this.closes;
    this.report({ type: "closed", cause: "unreachable", message: "closed" });
  }

  async *#read(): AsyncIterable<EngineEvent> {
    for (;;) {
      this.asked += 1;
      while (this.#queue.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
      const event = this.#queue.shift();
      if (event) yield event;
      if (event?.type === "closed") return;
    }
  }
}

/** An engine that was given up while it closed reports on, but can write no login. */
function ignoreLeaseLost(error: unknown): void {
  if (!(error instanceof LeaseLost)) throw error;
}

/** Opens a manager on a memory backend, with engines that the test controls and a fake clock. */
export function openHarness(
  t: TestContext,
  options: Partial<SessionManagerOptions> = {},
  clock: FakeClock = new FakeClock(),
  hasFiles = true,
) {
  const backend = openMemoryBackend({ clock });
  const engines: FakeEngine[] = [];
  const log: string[] = [];
  const line = (level: string) => (fields: object, message: string) => {
    log.push(`${level} ${message} ${JSON.stringify(fields)}`);
  };
  const logger: Logger = {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
    child: () => logger,
  };
  const fixture = {
    /** Called before an engine is opened. */
    onOpen: (_engine: FakeEngine) => {},
    restore: async (_credentials: Credentials) => false,
    hasLogin,
    discard: async (_session: string) => {},
    /** Archives files for another node; left undefined by engines that cannot. */
    pack: undefined as EngineFiles["pack"],
    /** Sessions and ids of the logins that were set aside. */
    aside: [] as string[],
  };
  const factory: EngineFactory = {
    kind: Engine_Kind.NOWEB,
    abilities: ["pairingCodes"],
    open(engineOptions) {
      const engine = new FakeEngine(engineOptions);
      fixture.onOpen(engine);
      engines.push(engine);
      return engine;
    },
    hasLogin: (credentials) => fixture.hasLogin(credentials),
    ...(hasFiles && {
      files: {
        discard: (session) => fixture.discard(session),
        get pack() {
          return fixture.pack;
        },
        setAside: async (session, id) => void fixture.aside.push(`${session} ${id}`),
      },
    }),
    formerLogins: { restore: (credentials) => fixture.restore(credentials) },
  };
  const managerOptions: SessionManagerOptions = {
    backend,
    engines: new Map([[factory.kind, factory]]),
    clock,
    random: systemRandom,
    logger,
    policy: defaultPolicy,
    globalWebhook: undefined,
    proxies: { servers: [] },
    defaultEngine: Engine_Kind.NOWEB,
    restart: "wanted",
    names: [],
    ...options,
  };
  const open = (more: Partial<SessionManagerOptions> = {}) => new SessionManager({ ...managerOptions, ...more });
  const managers = [open()];
  t.after(async () => {
    for (const engine of engines) engine.closes = Promise.resolve();
    await Promise.all(managers.map((manager) => manager.close()));
    await backend.upkeep.close();
  });
  return {
    clock,
    backend,
    engines,
    log,
    fixture,
    manager: managers[0] ?? open(),
    /** Opens a manager on the same backend, like a new process. */
    reopen(more: Partial<SessionManagerOptions> = {}): SessionManager {
      const manager = open(more);
      managers.push(manager);
      return manager;
    },
    /** Returns the engine opened last. */
    engine(): FakeEngine {
      return engines.at(-1) ?? new FakeEngine({} as EngineOptions);
    },
    start: (name = "alice") => managers[0]?.create({ name, engine: 0, config: undefined, start: true }),
    events: async (name: string, afterSeq = 0n) => {
      const events = [];
      const reading = backend.log.events(name, afterSeq, new AbortController().signal, await backend.log.lastSeq());
      for await (const event of reading) events.push(event);
      return events;
    },
  };
}

/** Runs all callbacks that are ready. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
}

/** Advances time in steps, so that waits in between are served. */
export async function pass(clock: FakeClock, ms: number, stepMs = 1_000): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    clock.advance(Math.min(stepMs, left));
    await settle();
  }
}
