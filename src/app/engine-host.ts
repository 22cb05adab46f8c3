import { SessionError } from "../domain/errors.ts";
import type { SessionInput, StoredSession, UnlinkOutcome } from "../domain/session.ts";
import type { Engine, EngineEvent } from "../ports/engine.ts";
import { type Lease, LeaseLost } from "../ports/sessions.ts";
import type { Logger } from "../ports/system.ts";
import { loginIn, unlinkDevice } from "./device-unlinking.ts";
import { openedEngine } from "./opened-engine.ts";
import type { RunnerDeps } from "./runner-deps.ts";
import { closedBy } from "./session-commands.ts";
import { settledWithin } from "./time-box.ts";
import { storeRetryMs } from "./wake-timer.ts";

/** Timeouts for unlink and close. The hurried ones apply when another command is queued, so that a stop finishes within 5 s. */
const unlinkLimitMs = 4_000;
const hurriedUnlinkLimitMs = 1_000;
const closeLimitMs = 3_000;
const hurriedCloseLimitMs = 500;

/** The session that an engine host works for. */
export interface EngineOwner {
  /** Runs a step once all earlier steps of the session are through. */
  enqueue(step: () => Promise<void>): Promise<void>;
  /** Records a report of the current engine. Called within a step. */
  record(event: EngineEvent): Promise<void>;
  /** Resolves once a command waits for the step under way. */
  commandWaits(): Promise<void>;
  /** Called when a write was refused because another process owns the session. Closes the engine. */
  leaseLost(): void;
}

/** Opens, reads, unlinks and closes the engines of one session, at most one at a time. */
export class EngineHost {
  readonly #deps: RunnerDeps;
  readonly #lease: Lease;
  readonly #logger: Logger;
  readonly #owner: EngineOwner;
  #engine: Engine | undefined;
  /** The place at the connect gate that this session was given, while it waits there. */
  #turn: { readonly atMs: number } | undefined;
  #leaveGate = () => {};
  /** Ends the unlinking that is under way. */
  #cutUnlinking = () => {};

  constructor(deps: RunnerDeps, lease: Lease, logger: Logger, owner: EngineOwner) {
    this.#deps = deps;
    this.#lease = lease;
    this.#logger = logger;
    this.#owner = owner;
  }

  /** The open engine, if there is one. */
  get engine(): Engine | undefined {
    return this.#engine;
  }

  /** Opens an engine. Returns the input that says why not, where none can be opened now. */
  open(session: StoredSession): SessionInput | undefined {
    const factory = this.#deps.engines.get(session.record.engine);
    if (!factory) return closedBy("engine_crashed", "The session's engine is not available on this server");
    const turn = this.#deps.gate?.enter(this.#turn) ?? { leave: () => {} };
    if ("atMs" in turn) {
      this.#turn = turn;
      return { type: "postponed", untilMs: turn.atMs };
    }
    this.#turn = undefined;
    this.#leaveGate = turn.leave;
    try {
      this.#engine = openedEngine(factory, this.#deps, this.#lease, session, this.#logger);
    } catch (error) {
      this.#logger.error({ err: error }, "engine could not be opened");
      return closedBy("engine_crashed", "The engine could not be opened");
    }
    void this.#pump(this.#engine);
    return undefined;
  }

  /**
   * Unlinks the session's device at WhatsApp within a few seconds, by the open engine or, if need be and `connects`, by one opened for
   * it. No engine is open when it resolves.
   */
  async unlink(session: StoredSession, connects: boolean): Promise<UnlinkOutcome> {
    const cut = new AbortController();
    this.#cutUnlinking = () => cut.abort();
    const work = this.#unlink(session, this.#release(), connects, cut.signal);
    const inTime = await this.#within(unlinkLimitMs, hurriedUnlinkLimitMs, work);
    cut.abort();
    const outcome = inTime ?? (await this.#untilClosed(work)) ?? "pending";
    this.#logger.info({ outcome }, "logged out");
    return outcome;
  }

  /** Closes the open engine; its reports are ignored from here on. Idempotent. */
  async close(): Promise<void> {
    this.#cutUnlinking();
    const engine = this.#release();
    if (engine) await this.#untilClosed(engine.close().then(() => true));
  }

  /** Lets go of the open engine and of the place at the gate. */
  #release(): Engine | undefined {
    const engine = this.#engine;
    this.#engine = undefined;
    this.#turn = undefined;
    this.#leaveGate();
    return engine;
  }

  async #unlink(
    session: StoredSession,
    engine: Engine | undefined,
    connects: boolean,
    signal: AbortSignal,
  ): Promise<UnlinkOutcome> {
    const { backend, engines, gate, clock } = this.#deps;
    const factory = engines.get(session.record.engine);
    if (!factory) return "pending";
    if (!engine) {
      const login = await loginIn(factory, backend.engineData.credentials(this.#lease));
      if (login !== "some") return login === "none" ? "not_linked" : "unknown";
    }
    const open = connects ? () => openedEngine(factory, this.#deps, this.#lease, session, this.#logger) : undefined;
    const result = await unlinkDevice({ engine, open, gate, clock, retries: true, signal });
    return result === "unlinked" || result === "not_linked" ? result : "pending";
  }

  async #untilClosed<T>(closed: Promise<T>): Promise<T | undefined> {
    const result = await this.#within(closeLimitMs, hurriedCloseLimitMs, closed);
    if (result === undefined) this.#logger.warn({}, "engine did not close in time; going on without it");
    return result;
  }

  #within<T>(limitMs: number, hurriedLimitMs: number, work: Promise<T>): Promise<T | undefined> {
    return settledWithin(this.#deps.clock, limitMs, work, {
      wanted: this.#owner.commandWaits(),
      limitMs: hurriedLimitMs,
    });
  }

  /** Takes the engine's events one by one; the next only when the last is committed. Never rejects. */
  async #pump(engine: Engine): Promise<void> {
    try {
      const events = engine.events[Symbol.asyncIterator]();
      // To ask for the next one says that the last is committed: of an engine that is given up nothing is asked any more.
      for (let next = await events.next(); !next.done && engine === this.#engine; next = await events.next()) {
        await this.#take(engine, next.value);
        if (engine !== this.#engine) return;
      }
    } catch (error) {
      this.#logger.error({ err: error }, "engine failed");
    }
    // An engine that ends without saying why has crashed.
    if (engine === this.#engine) await this.#take(engine, closedBy("engine_crashed", "The engine ended unexpectedly"));
  }

  /** Has one event recorded, again and again while the store cannot take it. */
  async #take(engine: Engine, event: EngineEvent): Promise<void> {
    while (engine === this.#engine) {
      try {
        return await this.#owner.enqueue(() => this.#record(engine, event));
      } catch (error) {
        if (error instanceof LeaseLost) return this.#owner.leaseLost();
        if (error instanceof SessionError) return;
        this.#logger.error(
          { err: error, event: event.type },
          "could not record what the engine reported; trying again",
        );
        await new Promise<void>((resolve) => this.#deps.clock.schedule(storeRetryMs, resolve));
      }
    }
  }

  async #record(engine: Engine, event: EngineEvent): Promise<void> {
    if (engine !== this.#engine) return;
    this.#leaveGate();
    if (event.type === "closed") this.#logger.info(endOf(event), "engine closed");
    await this.#owner.record(event);
    // Recording may have opened the next engine. If it fails, this event is offered again.
    if (event.type === "closed" && engine === this.#engine) this.#engine = undefined;
  }
}

/** Why an engine closed, for the log. Of a refused client version there is one line for all sessions that says what to do. */
const endOf = ({ cause, message, clientVersion }: Extract<EngineEvent, { type: "closed" }>) =>
  clientVersion === undefined ? { cause, reason: message } : { cause, clientVersion };
