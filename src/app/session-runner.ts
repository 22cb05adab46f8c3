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
import { setAside } from "../domain/pending-unlink.ts";
import {
  type SessionAction,
  type SessionInput,
  statusOf,
  type Transition,
  transition,
  type UnlinkOutcome,
  wakeAtMs,
} from "../domain/session.ts";
import { type Engine, type EngineEvent, PairingCodeRefused } from "../ports/engine.ts";
import type { Commit, Lease, Pairing } from "../ports/sessions.ts";
import type { Logger } from "../ports/system.ts";
import { createdWith } from "./creations.ts";
import { EngineHost } from "./engine-host.ts";
import { discardOutside, type RunnerDeps } from "./runner-deps.ts";
import { closedBy, formerLoginsOf, type SessionCommand } from "./session-commands.ts";
import { WakeTimer } from "./wake-timer.ts";

/**
 * Runs one session: input → transition → commit → actions, one at a time, in order. It is the only writer of its session as long
 * as it holds the lease.
 */
export class SessionRunner {
  readonly #deps: RunnerDeps;
  readonly #lease: Lease;
  readonly #logger: Logger;
  readonly #host: EngineHost;
  readonly #wakeTimer: WakeTimer;
  #record: SessionRecord;
  #pairing: Pairing | undefined;
  #endpoints: readonly Endpoint[] | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  /** Number of commands that wait for the step under way. */
  #waiting = 0;
  #commandWaits = Promise.withResolvers<void>();
  #state: "running" | "removed" | "closed" = "running";

  constructor(deps: RunnerDeps, lease: Lease, record: SessionRecord) {
    this.#deps = deps;
    this.#lease = lease;
    this.#record = record;
    this.#logger = deps.logger.child({ session: record.name });
    this.#wakeTimer = new WakeTimer(deps.clock, this.#logger, () => this.dispatch({ type: "wake" }));
    this.#host = new EngineHost(deps, lease, this.#logger, {
      enqueue: (step) => this.#enqueue(step),
      record: (event) => this.#recordEvent(event),
      commandWaits: () => this.#commandWaits.promise,
      leaseLost: () => void this.#lose(),
    });
    lease.lost.addEventListener("abort", () => void this.#lose(), { once: true });
  }

  /** Whether the session is gone for good. */
  get removed(): boolean {
    return this.#state === "removed";
  }

  /** The open engine, if there is one. */
  get engine(): Engine | undefined {
    return this.#host.engine;
  }

  /** Writes the session for the first time, started or not. With a key, the answer is stored beside it. */
  create(start: boolean, idempotencyKey: string | undefined): Promise<SessionRecord> {
    return this.#enqueue(async () => {
      const { state, ...next } = start ? this.#transition({ type: "start" }) : unstarted(this.#record);
      const record = this.#stamped(state, next.events);
      await this.#advance({
        ...next,
        state: idempotencyKey === undefined ? record : createdWith(idempotencyKey, record),
      });
      return this.#record;
    });
  }

  /** Applies an input when all earlier ones are through; resolves with the record once its actions are done too. */
  dispatch(input: SessionCommand): Promise<SessionRecord> {
    return this.#command(async () => {
      await this.#apply(typeof input === "function" ? await input(this.#record) : input);
      return this.#record;
    });
  }

  /** Logs out or deletes, and says what became of the device at WhatsApp. */
  leave(input: SessionCommand): Promise<{ record: SessionRecord; outcome: UnlinkOutcome }> {
    return this.#command(async () => {
      const outcome = await this.#apply(typeof input === "function" ? await input(this.#record) : input);
      return { record: this.#record, outcome: outcome ?? "not_linked" };
    });
  }

  /** Puts the login back that the session last connected with. */
  restoreCredentials(): Promise<SessionRecord> {
    return this.#command(async () => {
      const restore = formerLoginsOf(this.#deps, this.#record.engine);
      await this.#host.close();
      if (await restore(this.#deps.backend.engineData.credentials(this.#lease))) {
        await this.#apply({ type: "restored" });
        return this.#record;
      }
      await this.#apply({ type: "resume" });
      throw new SessionError("CREDENTIALS_NOT_KEPT", "No former login of the session is kept");
    });
  }

  /** Asks the engine for a pairing code, "ABCD-ABCD", and offers it beside the QR. */
  async requestCode(phoneNumber: string): Promise<string> {
    const { engine } = this.#host;
    if (!engine || !this.#pairing)
      throw new SessionError("PAIRING_CODE_REFUSED", "The session does not wait for a phone");
    const code = await engine.requestPairingCode(phoneNumber).catch((error: unknown) => {
      if (error instanceof PairingCodeRefused) throw new SessionError("PAIRING_CODE_REFUSED", error.message);
      throw error;
    });
    const shown = `${code.slice(0, 4)}-${code.slice(4)}`;
    await this.#enqueue(async () => {
      if (engine !== this.#host.engine || !this.#pairing) return;
      await this.#commit({ record: this.#record, events: [], pairing: { ...this.#pairing, code: shown } });
    });
    return shown;
  }

  /** Replaces the engine after its library threw where nobody could catch it: its state is unknown. */
  crashed(): Promise<void> {
    return this.#enqueue(async () => {
      if (!this.#host.engine) return;
      await this.#apply(closedBy("engine_crashed", "The engine failed unexpectedly"));
      await this.#host.close();
    });
  }

  /** Closes the engine and gives the session up, without changing what is written. Idempotent. */
  async close(): Promise<void> {
    if (this.#state !== "running") return;
    this.#state = "closed";
    this.#wakeTimer.set(undefined);
    this.#commandWaits.resolve();
    const settled = this.#tail.catch(() => {});
    await this.#host.close();
    await settled;
    // A step under way may have opened one more.
    await this.#host.close();
    await this.#deps.backend.sessions.release(this.#lease);
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

  /** Applies an input. Resolves with what became of the device at WhatsApp, if the input led to a logout there. */
  async #apply(input: SessionInput, pairing?: Pairing): Promise<UnlinkOutcome | undefined> {
    const next = this.#transition(input);
    const { state, events, wipe, actions } = next;
    if (state !== this.#record || events.length > 0 || wipe !== "none") {
      return this.#advance({ ...next, state: this.#stamped(state, events) }, pairing);
    }
    this.#scheduleWake();
    return this.#performAll(actions);
  }

  #transition(input: SessionInput): Transition {
    const policy = { ...this.#deps.policy, jitter: this.#deps.random.unit() };
    return transition(this.#record, input, this.#deps.clock.nowMs(), policy);
  }

  /** The state as it is written: with the time, and the statuses that were announced. */
  #stamped(state: SessionRecord, events: Transition["events"]): SessionRecord {
    const wallMs = this.#deps.clock.wallMs();
    const statuses = events.includes("session.status") ? rememberedAfter(state, wallMs) : state.statuses;
    return { ...state, statuses, updatedAt: timestampFromMs(wallMs) };
  }

  /** Writes a transition, then performs its actions. */
  async #advance({ state, events, wipe, actions }: Transition, pairing?: Pairing): Promise<UnlinkOutcome | undefined> {
    const context = this.#eventContext(this.#deps.clock.wallMs());
    const written = events.map((name) =>
      name === "session.status"
        ? statusEvent(state, context)
        : healthEvent(state, this.#host.engine?.lastInboundAtMs, context),
    );
    const aside = wipe === "set_aside" ? setAside(this.#record, context.ulid(), this.#deps.clock.nowMs()) : undefined;
    await this.#commit({
      record: state,
      events: this.#addressed(written, state),
      wipe: wipe !== "none",
      ...(aside && { setAside: aside }),
      pairing: state.phase === Phase.PAIRING ? (pairing ?? this.#pairing ?? null) : null,
    });
    if (events.includes("session.status")) this.#logger.info({ status: Status[statusOf(state)] }, "session status");
    this.#scheduleWake();
    if (aside) {
      await this.#host.close();
      await this.#deps.onSetAside?.(aside.id);
    }
    const outcome = await this.#performAll(actions);
    // What an engine keeps outside of the store goes with what it kept inside.
    if (!this.#host.engine && wipe !== "none") await discardOutside(this.#deps, this.#record);
    return outcome ?? (aside && "pending");
  }

  async #performAll(actions: readonly SessionAction[]): Promise<UnlinkOutcome | undefined> {
    let outcome: UnlinkOutcome | undefined;
    for (const action of actions) outcome = (await this.#perform(action)) ?? outcome;
    return outcome;
  }

  async #commit(commit: Commit): Promise<void> {
    const { record } = commit;
    const endpoints = this.#endpointsOf(record);
    await this.#deps.backend.sessions.commit(this.#lease, {
      ...commit,
      ...(endpoints !== this.#endpoints && { endpoints }),
      isReconfigured: record.config !== this.#record.config,
    });
    this.#endpoints = endpoints;
    this.#record = record;
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

  async #perform(action: SessionAction): Promise<UnlinkOutcome | undefined> {
    switch (action.type) {
      case "close_engine":
        await this.#host.close();
        return undefined;
      case "open_engine": {
        const refused = this.#state === "running" ? this.#host.open(this.#record) : undefined;
        return refused && this.#apply(refused);
      }
      case "unlink_engine": {
        const outcome = await this.#host.unlink(this.#record, action.connects);
        await this.#apply({ type: "unlinked", outcome });
        return outcome;
      }
      case "remove":
        await this.#remove();
        return undefined;
    }
  }

  async #recordEvent(event: EngineEvent): Promise<void> {
    switch (event.type) {
      case "message": {
        const { message } = event;
        if (isReported(this.#record, message)) return;
        const record = afterMessage(this.#record, message);
        const events = messageEvents(record, message, this.#eventContext(this.#deps.clock.wallMs()));
        return this.#commit({ record, events: this.#addressed(events, record) });
      }
      case "qr": {
        const { type, ...pairing } = event;
        await this.#apply({ type }, pairing);
        return;
      }
      default:
        await this.#apply(event);
    }
  }

  async #remove(): Promise<void> {
    await discardOutside(this.#deps, this.#record);
    const context = this.#eventContext(this.#deps.clock.wallMs());
    await this.#deps.backend.sessions.remove(this.#lease, [
      { event: deletedEvent(this.#record, context), endpointIds: [] },
    ]);
    this.#state = "removed";
    this.#wakeTimer.set(undefined);
    await this.#deps.backend.sessions.release(this.#lease);
  }

  /** Stops the engine at once: another process owns the session. Idempotent. */
  async #lose(): Promise<void> {
    if (this.#state !== "running") return;
    this.#state = "closed";
    this.#wakeTimer.set(undefined);
    this.#commandWaits.resolve();
    // The first step of closing an engine is synchronous.
    const closed = this.#host.close();
    this.#logger.warn({}, "another process runs this session now");
    await closed.catch((error: unknown) => this.#logger.error({ err: error }, "engine did not close"));
  }

  #scheduleWake(): void {
    this.#wakeTimer.set(this.#state === "running" ? wakeAtMs(this.#record) : undefined);
  }
}

const unstarted = (state: SessionRecord): Transition => ({ state, events: [], wipe: "none", actions: [] });
