import type { OutgoingMessage } from "../../gen/sessiond/store/v1/store_pb.js";
import { SessionError } from "../domain/errors.ts";
import type { SessionInput, StoredSession, UnlinkOutcome } from "../domain/session.ts";
import type { Engine, EngineEvent, EngineFactory } from "../ports/engine.ts";
import { type Lease, LeaseLost } from "../ports/sessions.ts";
import type { Logger } from "../ports/system.ts";
import type { Turn } from "./connect-gate.ts";
import { loginIn, unlinkDevice } from "./device-unlinking.ts";
import { isThawed } from "./frozen.ts";
import { openEngine } from "./open-engine.ts";
import type { RunnerDeps } from "./runner-deps.ts";
import { closedBy } from "./session-commands.ts";
import { awaitWithin } from "./time-box.ts";
import { storeRetryMs } from "./wake-timer.ts";

/** Timeouts for unlink and close. The hurried ones apply when another command is queued, so that a stop finishes within 5 s. */
const unlinkLimitMs = 4_000;
const hurriedUnlinkLimitMs = 1_000;
const closeLimitMs = 3_000;
const hurriedCloseLimitMs = 500;
/** Delay before the first new attempt to record a report that the store refused. It doubles up to that of other attempts. */
const firstRetryMs = 50;

/** The session that an engine host works for. */
export interface EngineOwner {
  /** Runs a step after all earlier steps of the session. */
  enqueue(step: () => Promise<void>): Promise<void>;
  /** Records a report of the current engine. Called within a step. */
  record(event: EngineEvent): Promise<void>;
  /** Resolves when a command waits for the current step. */
  commandWaits(): Promise<void>;
  /** Returns a message that the session has sent or is to send. */
  findOutgoing(id: string): Promise<OutgoingMessage | undefined>;
}

/** Opens, reads, unlinks and closes the engines of one session, at most one at a time. */
export class EngineHost {
  readonly #deps: RunnerDeps;
  readonly #lease: Lease;
  readonly #logger: Logger;
  readonly #owner: EngineOwner;
  #engine: Engine | undefined;
  /** The session's slot at the connect gate while it waits there. */
  #slot: Turn | undefined;
  #leaveGate = () => {};
  /** True from the admission at the gate until an engine is opened. */
  #isAdmitted = false;
  /** Cancels an unlinking under way. */
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

  /**
   * Asks the gate for the next engine. Returns the time to ask again if it has to wait. Otherwise a slot is kept, which `open` uses or
   * `giveUpTurn` gives up.
   */
  admit(): number | undefined {
    // The node may have been frozen since the admission.
    if (this.#deps.gate?.isFrozen) this.giveUpTurn();
    return this.#isAdmitted ? undefined : this.#enterGate(this.#slot);
  }

  #openWith(factory: EngineFactory, session: StoredSession): Engine {
    const findOutgoing = (id: string) => this.#owner.findOutgoing(id);
    return openEngine(factory, this.#deps, { lease: this.#lease, session, logger: this.#logger, findOutgoing });
  }

  /** Opens an engine. If none can be opened now, returns the input that gives the reason. */
  open(session: StoredSession): SessionInput | undefined {
    const factory = this.#deps.engines.get(session.record.engine);
    if (!factory) return closedBy("engine_crashed", "The session's engine is not available on this server");
    const untilMs = this.admit();
    if (untilMs !== undefined) return { type: "postponed", untilMs };
    this.#isAdmitted = false;
    try {
      this.#engine = this.#openWith(factory, session);
    } catch (error) {
      this.#logger.error({ err: error }, "engine could not be opened");
      return closedBy("engine_crashed", "The engine could not be opened");
    }
    void this.#pump(this.#engine);
    return undefined;
  }

  /**
   * Asks the gate again if the session waits there. Returns the time of the next question; undefined once an engine may be opened, for
   * which a slot is kept.
   */
  takeTurn(): number | undefined {
    return this.#slot && this.#enterGate(this.#slot);
  }

  /** Gives up a slot that is kept and that nothing has used. */
  giveUpTurn(): void {
    if (!this.#isAdmitted) return;
    this.#isAdmitted = false;
    this.#leaveGate();
  }

  /**
   * Unlinks the session's device at WhatsApp within a few seconds, with the open engine or, if `connects`, with one opened for it.
   * No engine is open when it resolves.
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

  /** Asks the gate for a slot. Returns the time to ask again if there is none. */
  #enterGate(former: Turn | undefined): number | undefined {
    const slot = this.#deps.gate?.enter(former) ?? { leave: () => {} };
    if ("atMs" in slot) {
      this.#slot = slot;
      return slot.atMs;
    }
    this.#slot = undefined;
    this.#leaveGate = slot.leave;
    this.#isAdmitted = true;
    return undefined;
  }

  /** Gives up the open engine and the slot at the gate, and returns the engine. */
  #release(): Engine | undefined {
    const engine = this.#engine;
    this.#engine = undefined;
    this.#slot = undefined;
    this.#isAdmitted = false;
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
    const open = connects ? () => this.#openWith(factory, session) : undefined;
    const result = await unlinkDevice({ engine, open, gate, clock, retries: true, signal });
    return result === "unlinked" || result === "not_linked" ? result : "pending";
  }

  async #untilClosed<T>(closed: Promise<T>): Promise<T | undefined> {
    const result = await this.#within(closeLimitMs, hurriedCloseLimitMs, closed);
    if (result === undefined) this.#logger.warn({}, "engine did not close in time; going on without it");
    return result;
  }

  #within<T>(limitMs: number, hurriedLimitMs: number, work: Promise<T>): Promise<T | undefined> {
    return awaitWithin(this.#deps.clock, limitMs, work, {
      wanted: this.#owner.commandWaits(),
      limitMs: hurriedLimitMs,
    });
  }

  /** Records the engine's events one by one, each after the last is committed. Never rejects. */
  async #pump(engine: Engine): Promise<void> {
    try {
      const events = engine.events[Symbol.asyncIterator]();
      // A request for the next event tells the engine that the last one is committed, so an engine that was given up gets none.
      for (let next = await events.next(); !next.done && engine === this.#engine; next = await events.next()) {
        await this.#take(engine, next.value);
        if (engine !== this.#engine) return;
      }
    } catch (error) {
      this.#logger.error({ err: error }, "engine failed");
    }
    // An engine that ends without `closed` has crashed.
    if (engine === this.#engine) await this.#take(engine, closedBy("engine_crashed", "The engine ended unexpectedly"));
  }

  /** Records one event, and retries while the store fails. */
  async #take(engine: Engine, event: EngineEvent): Promise<void> {
    for (let delayMs = firstRetryMs; engine === this.#engine; delayMs = Math.min(2 * delayMs, storeRetryMs)) {
      try {
        return await this.#owner.enqueue(() => this.#record(engine, event));
      } catch (error) {
        // The owner knows, and has closed the engine.
        if (error instanceof LeaseLost || error instanceof SessionError) return;
        this.#logger.error(
          { err: error, event: event.type },
          "could not record what the engine reported; trying again",
        );
        const { clock, backend } = this.#deps;
        await isThawed(backend.cluster?.standing, this.#lease.lost);
        await new Promise<void>((resolve) => clock.schedule(delayMs, resolve));
      }
    }
  }

  async #record(engine: Engine, event: EngineEvent): Promise<void> {
    if (engine !== this.#engine) return;
    this.#leaveGate();
    if (event.type === "closed") this.#logger.info(closedFields(event), "engine closed");
    await this.#owner.record(event);
    // Recording may have opened the next engine. If it fails, the event is recorded again.
    if (event.type === "closed" && engine === this.#engine) this.#engine = undefined;
  }
}

/** Returns the log fields of a `closed` event. For a refused client version, another line tells all sessions' users what to do. */
const closedFields = ({ cause, message, clientVersion }: Extract<EngineEvent, { type: "closed" }>) =>
  clientVersion === undefined ? { cause, reason: message } : { cause, clientVersion };
