import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Endpoint,
  SessionRecord_Phase as Phase,
  type SessionRecord,
} from "../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { endpointIdsFor, endpointsOf } from "../domain/delivery.ts";
import { SessionError, sessionNotFound, shuttingDown } from "../domain/errors.ts";
import {
  afterMessage,
  deletedEvent,
  healthEvent,
  isReported,
  messageEvents,
  rememberedAfter,
  statusEvent,
} from "../domain/event.ts";
import { type SessionEffect, type SessionInput, statusOf, transition, wakeAtMs } from "../domain/session.ts";
import { type Commit, type Lease, LeaseLost, type Pairing } from "../ports/backend.ts";
import { type Engine, type EngineEvent, PairingCodeRefused } from "../ports/engine.ts";
import type { Logger } from "../ports/system.ts";
import { createdWith } from "./creations.ts";
import { openedEngine } from "./opened-engine.ts";
import { discardOutside, type RemoteUnlinked, type RunnerDeps } from "./runner-deps.ts";
import { closedBy, formerLoginsOf, type SessionCommand } from "./session-commands.ts";
import { settledWithin } from "./time-box.ts";
import { storeRetryMs, WakeTimer } from "./wake-timer.ts";

/** A step waits this long for WhatsApp to remove the device, and this long if another command waits for the step. */
const unlinkLimitMs = 4_000;
const hurriedUnlinkLimitMs = 1_000;
/** And this long for an engine to close: no stop takes 5 s, and none is held up for long by restarts before it. */
const closeLimitMs = 3_000;
const hurriedCloseLimitMs = 500;

/**
 * Runs one session: input → transition → commit → effects, one at a time, in order. It is the only writer of its session as long
 * as it holds the lease, and has at most one engine.
 */
export class SessionRunner {
  readonly #deps: RunnerDeps;
  readonly #lease: Lease;
  readonly #logger: Logger;
  #record: SessionRecord;
  #engine: Engine | undefined;
  #pairing: Pairing | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  readonly #wakeTimer: WakeTimer;
  /** When the gate lets this session in; unset unless it waits there. */
  #turn: { readonly atMs: number } | undefined;
  #leaveGate = () => {};
  #unlinked: RemoteUnlinked = "false";
  /** So many commands wait for the step under way. */
  #waiting = 0;
  #commandWaits = Promise.withResolvers<void>();
  #endpoints: readonly Endpoint[] | undefined;
  #state: "running" | "removed" | "closed" = "running";
  /** Goes into the first record that is written. */
  #creationKey: string | undefined;

  constructor(deps: RunnerDeps, lease: Lease, record: SessionRecord) {
    this.#deps = deps;
    this.#lease = lease;
    this.#record = record;
    this.#logger = deps.logger.child({ session: record.name });
    this.#wakeTimer = new WakeTimer(deps.clock, this.#logger, () => this.dispatch({ type: "wake" }));
  }

  /** Whether the session is gone for good. */
  get removed(): boolean {
    return this.#state === "removed";
  }

  /** The first write of a session, started or not; with a key, what it answers is kept beside it. */
  create(start: boolean, idempotencyKey: string | undefined): Promise<SessionRecord> {
    return this.#enqueue(async () => {
      this.#creationKey = idempotencyKey;
      if (start) await this.#apply({ type: "start" });
      else await this.#commit({ record: this.#record, events: [] });
      return this.#record;
    });
  }

  /** Applies an input when all earlier ones are through; resolves with the record once its effects are done too. */
  dispatch(input: SessionCommand): Promise<SessionRecord> {
    return this.#command(async () => {
      await this.#apply(typeof input === "function" ? await input(this.#record) : input);
      return this.#record;
    });
  }

  /** Logs out, and says what became of the device at WhatsApp. */
  logout(): Promise<{ record: SessionRecord; unlinked: RemoteUnlinked }> {
    return this.#command(async () => {
      this.#unlinked = "false";
      await this.#apply({ type: "logout" });
      return { record: this.#record, unlinked: this.#unlinked };
    });
  }

  /** Puts the login back that the session last connected with. */
  restoreCredentials(): Promise<SessionRecord> {
    return this.#command(async () => {
      const restore = formerLoginsOf(this.#deps, this.#record.engine);
      await this.#closeEngine();
      if (await restore(this.#deps.backend.credentials(this.#lease))) {
        await this.#apply({ type: "restored" });
        return this.#record;
      }
      await this.#apply({ type: "resume" });
      throw new SessionError("CREDENTIALS_NOT_KEPT", "No former login of the session is kept");
    });
  }

  /** Asks the engine for a pairing code, "ABCD-ABCD", and offers it beside the QR. */
  async requestCode(phoneNumber: string): Promise<string> {
    const engine = this.#engine;
    if (!engine || !this.#pairing)
      throw new SessionError("PAIRING_CODE_REFUSED", "The session does not wait for a phone");
    const code = await engine.requestPairingCode(phoneNumber).catch((error: unknown) => {
      if (error instanceof PairingCodeRefused) throw new SessionError("PAIRING_CODE_REFUSED", error.message);
      throw error;
    });
    const shown = `${code.slice(0, 4)}-${code.slice(4)}`;
    await this.#enqueue(async () => {
      if (engine !== this.#engine || !this.#pairing) return;
      await this.#commit({ record: this.#record, events: [], pairing: { ...this.#pairing, code: shown } });
    });
    return shown;
  }

  /** The open engine, if there is one. */
  get engine(): Engine | undefined {
    return this.#engine;
  }

  /** The engine's library threw where nobody could catch it: what it has half done nobody knows, so another takes its place. */
  crashed(): Promise<void> {
    return this.#enqueue(async () => {
      if (!this.#engine) return;
      await this.#apply(closedBy("engine_crashed", "The engine failed unexpectedly"));
      await this.#closeEngine();
    });
  }

  /** Closes the engine and gives the session up, without changing what is written. Idempotent. */
  async close(): Promise<void> {
    if (this.#state !== "running") return;
    this.#state = "closed";
    this.#wakeTimer.set(undefined);
    this.#commandWaits.resolve();
    const settled = this.#tail.catch(() => {});
    await this.#closeEngine();
    await settled;
    // A step under way may have opened one more.
    await this.#closeEngine();
    await this.#deps.backend.release(this.#lease);
  }

  /** A step that the one under way hurries for. */
  #command<T>(step: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    this.#commandWaits.resolve();
    return this.#enqueue(() => {
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#commandWaits = Promise.withResolvers();
      return step();
    });
  }

  #enqueue<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(() => {
      if (this.#state === "removed") throw sessionNotFound(this.#record.name);
      if (this.#state === "closed") throw shuttingDown();
      return step();
    });
    this.#tail = result.catch(() => {});
    return result;
  }

  async #apply(input: SessionInput, pairing?: Pairing): Promise<void> {
    const nowMs = this.#deps.clock.nowMs();
    const policy = { ...this.#deps.policy, jitter: this.#deps.random.unit() };
    const { state, effects } = transition(this.#record, input, nowMs, policy);
    if (state === this.#record && effects.length === 0) return this.#scheduleWake();
    const announces = effects.some((effect) => effect.type === "announce");
    const statuses = announces ? rememberedAfter(state, nowMs) : state.statuses;
    const record = { ...state, statuses, updatedAt: timestampFromMs(nowMs) };
    const context = this.#eventContext(nowMs);
    const events = announces ? [statusEvent(record, context)] : [];
    if (effects.some((effect) => effect.type === "announce_health")) {
      events.push(healthEvent(record, this.#engine?.lastInboundAtMs, context));
    }
    await this.#commit({
      record,
      events: this.#addressed(events, record),
      wipe: effects.some((effect) => effect.type === "wipe"),
      pairing: record.phase === Phase.PAIRING ? (pairing ?? this.#pairing ?? null) : null,
    });
    if (announces) this.#logger.info({ status: Status[statusOf(record)] }, "session status");
    this.#scheduleWake();
    for (const effect of effects) await this.#perform(effect);
    // What an engine keeps outside of the store goes with what it kept inside.
    if (!this.#engine && effects.some(({ type }) => type === "wipe")) await discardOutside(this.#deps, this.#record);
  }

  async #commit(commit: Commit): Promise<void> {
    const endpoints = this.#endpointsOf(commit.record);
    const record = this.#creationKey === undefined ? commit.record : createdWith(this.#creationKey, commit.record);
    await this.#deps.backend.commit(this.#lease, {
      ...commit,
      record,
      ...(endpoints !== this.#endpoints && { endpoints }),
    });
    this.#endpoints = endpoints;
    this.#record = record;
    this.#creationKey = undefined;
    this.#deps.onChange?.(record);
    if (commit.pairing !== undefined) this.#pairing = commit.pairing ?? undefined;
  }

  /** The same array as long as nothing has changed, so that unchanged endpoints are not written again. */
  #endpointsOf(record: SessionRecord): readonly Endpoint[] {
    if (this.#endpoints && record.config === this.#record.config) return this.#endpoints;
    return endpointsOf(record.config?.webhooks ?? [], this.#deps.globalWebhook);
  }

  #addressed(events: readonly Event[], record: SessionRecord) {
    const endpoints = this.#endpointsOf(record);
    return events.map((event) => ({ event, endpointIds: endpointIdsFor(event.name, endpoints) }));
  }

  #eventContext(nowMs: number) {
    return { nowMs, ulid: () => this.#deps.random.ulid(nowMs) };
  }

  async #perform(effect: SessionEffect): Promise<void> {
    switch (effect.type) {
      case "announce":
      case "announce_health":
      case "wipe":
        // Written with the state.
        return;
      case "close_engine":
        return this.#closeEngine();
      case "open_engine":
        return this.#openEngine();
      case "unlink_engine":
        return this.#unlinkEngine();
      case "remove":
        return this.#remove();
    }
  }

  async #openEngine(): Promise<void> {
    if (this.#state !== "running") return;
    const factory = this.#deps.engines.get(this.#record.engine);
    if (!factory)
      return this.#apply(closedBy("engine_crashed", "The session's engine is not available on this server"));
    const turn = this.#deps.gate?.enter(this.#turn) ?? { leave: () => {} };
    if ("atMs" in turn) {
      this.#turn = turn;
      return this.#apply({ type: "postponed", untilMs: turn.atMs });
    }
    this.#turn = undefined;
    this.#leaveGate = turn.leave;
    try {
      this.#engine = openedEngine(factory, this.#deps, this.#lease, this.#record, this.#logger);
    } catch (error) {
      this.#logger.error({ err: error }, "engine could not be opened");
      return this.#apply(closedBy("engine_crashed", "The engine could not be opened"));
    }
    void this.#pump(this.#engine);
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

  async #take(engine: Engine, event: EngineEvent): Promise<void> {
    while (engine === this.#engine) {
      try {
        return await this.#enqueue(async () => {
          if (engine === this.#engine) await this.#onEvent(event);
        });
      } catch (error) {
        if (error instanceof LeaseLost) return this.#abandon(engine);
        if (error instanceof SessionError) return;
        this.#logger.error(
          { err: error, event: event.type },
          "could not record what the engine reported; trying again",
        );
        await new Promise<void>((resolve) => this.#deps.clock.schedule(storeRetryMs, resolve));
      }
    }
  }

  async #onEvent(event: EngineEvent): Promise<void> {
    this.#leaveGate();
    switch (event.type) {
      case "message": {
        const { message } = event;
        if (isReported(this.#record, message)) return;
        const record = afterMessage(this.#record, message);
        const events = messageEvents(record, message, this.#eventContext(this.#deps.clock.nowMs()));
        return this.#commit({ record, events: this.#addressed(events, record) });
      }
      case "qr": {
        const { type, ...pairing } = event;
        return this.#apply({ type }, pairing);
      }
      case "closed": {
        this.#logger.info({ cause: event.cause, reason: event.message }, "engine closed");
        const engine = this.#engine;
        // Whoever opens the next engine must find none; if the commit fails, this event is offered again.
        await this.#apply(event);
        if (engine === this.#engine) this.#engine = undefined;
        return;
      }
      default:
        return this.#apply(event);
    }
  }

  async #unlinkEngine(): Promise<void> {
    const engine = this.#engine;
    if (engine) {
      const result = await settledWithin(
        this.#deps.clock,
        unlinkLimitMs,
        engine.logout(),
        this.#hurry(hurriedUnlinkLimitMs),
      );
      this.#unlinked = result === "unlinked" ? "true" : "unknown";
      this.#logger.info({ unlinked: this.#unlinked }, "logged out");
    }
    await this.#closeEngine();
    await this.#apply({ type: "unlinked" });
  }

  async #closeEngine(): Promise<void> {
    const engine = this.#engine;
    this.#turn = undefined;
    this.#leaveGate();
    if (!engine) return;
    // From here on its reports are those of a former engine.
    this.#engine = undefined;
    const closed = engine.close().then(() => true);
    if (!(await settledWithin(this.#deps.clock, closeLimitMs, closed, this.#hurry(hurriedCloseLimitMs)))) {
      this.#logger.warn({}, "engine did not close in time; going on without it");
    }
  }

  #hurry(limitMs: number) {
    return { wanted: this.#commandWaits.promise, limitMs };
  }

  async #remove(): Promise<void> {
    await discardOutside(this.#deps, this.#record);
    const context = this.#eventContext(this.#deps.clock.nowMs());
    await this.#deps.backend.remove(this.#lease, [{ event: deletedEvent(this.#record, context), endpointIds: [] }]);
    this.#state = "removed";
    this.#wakeTimer.set(undefined);
    await this.#deps.backend.release(this.#lease);
  }

  async #abandon(engine: Engine): Promise<void> {
    this.#logger.warn({}, "another process runs this session now");
    this.#state = "closed";
    this.#wakeTimer.set(undefined);
    this.#engine = undefined;
    await engine.close();
  }

  #scheduleWake(): void {
    this.#wakeTimer.set(this.#state === "running" ? wakeAtMs(this.#record) : undefined);
  }
}
