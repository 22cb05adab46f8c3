import { create } from "@bufbuild/protobuf";
import { SessionConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import type { Standing } from "../../src/ports/cluster.ts";
import type { Engine, EngineEvent, EngineFactory, EngineOptions } from "../../src/ports/engine.ts";
import type { FileArchive } from "../../src/ports/profiles.ts";
import type { Logger } from "../../src/ports/system.ts";
import { MemoryEngineData } from "./engine-data.ts";

type EventOf<Type extends EngineEvent["type"]> = Extract<EngineEvent, { type: Type }>;

/** An open engine whose events a test reads one by one. */
export class OpenEngine {
  readonly engine: Engine;
  /** All events read so far. */
  readonly seen: EngineEvent[] = [];
  readonly #events: AsyncIterator<EngineEvent>;

  constructor(engine: Engine) {
    this.engine = engine;
    this.#events = engine.events[Symbol.asyncIterator]();
  }

  /** Returns the next event, or undefined at the end. */
  async next(): Promise<EngineEvent | undefined> {
    const { done, value } = await this.#events.next();
    if (done) return undefined;
    this.seen.push(value);
    return value;
  }

  /** Reads up to the next event of this type; rejects if the events end before. */
  async until<Type extends EngineEvent["type"]>(type: Type): Promise<EventOf<Type>> {
    for (let event = await this.next(); event; event = await this.next()) {
      if (event.type === type) return event as EventOf<Type>;
    }
    throw new Error(`no "${type}" came, but ${this.seen.map(describe).join(", ")}`);
  }

  /** Asks for a pairing code; rejects where the engine has none. */
  async requestCode(phoneNumber: string): Promise<string> {
    if (!this.engine.pairingCodes) throw new Error("the engine has no pairing codes");
    return this.engine.pairingCodes.request(phoneNumber);
  }

  /** Takes a picture of the engine's page; rejects where the engine has none. */
  async takeScreenshot(): Promise<Uint8Array> {
    if (!this.engine.screenshots) throw new Error("the engine has no screenshots");
    return this.engine.screenshots.take();
  }

  /** Reads all further events. */
  async rest(): Promise<EngineEvent[]> {
    const events: EngineEvent[] = [];
    for (let event = await this.next(); event; event = await this.next()) events.push(event);
    return events;
  }
}

const describe = (event: EngineEvent) => (event.type === "closed" ? `closed (${event.cause})` : event.type);

/** A session whose engines share their data: each reads what the one before has written. */
export class EngineSession {
  readonly credentials = new MemoryEngineData();
  readonly chats = new MemoryEngineData();
  readonly config = create(SessionConfigSchema);
  /** See EngineOptions. */
  reportedUntilMs: number | undefined;
  /** See EngineOptions. */
  standing: Standing | undefined;
  /** See EngineOptions. */
  archive: FileArchive | undefined;
  sentMessage: EngineOptions["sentMessage"];
  /** See EngineOptions. */
  isOutgoing: EngineOptions["isOutgoing"];
  /** Logged lines with their fields, one string each. */
  readonly log: string[] = [];
  readonly #factory: EngineFactory;
  readonly #engines: Engine[] = [];

  constructor(factory: EngineFactory) {
    this.#factory = factory;
  }

  open(factory = this.#factory): OpenEngine {
    const { credentials, chats, config, reportedUntilMs, standing, archive, sentMessage, isOutgoing } = this;
    const engine = factory.open({
      session: "alice",
      config,
      credentials,
      chats,
      logger: this.#logger(),
      reportedUntilMs,
      standing,
      archive,
      sentMessage,
      isOutgoing,
    });
    this.#engines.push(engine);
    return new OpenEngine(engine);
  }

  /** Opens an engine and, if WhatsApp asks for a restart, a second one; resolves when it is logged in. */
  async openLoggedIn(showCode: (engine: OpenEngine) => Promise<unknown>): Promise<OpenEngine> {
    const pairing = this.open();
    await pairing.until("qr");
    await showCode(pairing);
    await pairing.until("paired");
    for (let event = await pairing.next(); event; event = await pairing.next()) {
      if (event.type === "opened") return pairing;
    }
    const working = this.open();
    await working.until("opened");
    return working;
  }

  /** Closes all opened engines. */
  async close(): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.close()));
  }

  #logger(): Logger {
    const line = (level: string) => (fields: object, message: string) => {
      this.log.push(`${level} ${message} ${JSON.stringify(fields)}`);
    };
    return {
      debug: line("debug"),
      info: line("info"),
      warn: line("warn"),
      error: line("error"),
      child: () => this.#logger(),
    };
  }
}
