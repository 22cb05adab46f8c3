import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type MessageLog,
  SessionRecord_Phase as Phase,
  type SessionRecord,
} from "../../gen/sessiond/store/v1/store_pb.js";
import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { weightOf } from "../domain/balance.ts";
import { SessionError, sessionMoving, sessionNotFound, shuttingDown } from "../domain/errors.ts";
import {
  type Moment,
  type SessionAction,
  type SessionInput,
  statusOf,
  type Transition,
  type UnlinkOutcome,
  wakeAtMs,
} from "../domain/session.ts";
import type { Placement } from "../ports/cluster.ts";
import { type Engine, type EngineEvent, PairingCodeRefused } from "../ports/engine.ts";
import { type Lease, LeaseLost, type Pairing } from "../ports/sessions.ts";
import type { Logger } from "../ports/system.ts";
import { createdWith } from "./creations.ts";
import { EngineHost } from "./engine-host.ts";
import { takeMessageReport } from "./message-reports.ts";
import { canPack, discardOutside, packFiles, type RunnerDeps } from "./runner-deps.ts";
import { SessionSends } from "./sending/session-sends.ts";
import { closedBy, formerLoginsOf, type SessionCommand } from "./session-commands.ts";
import { SessionWriter, type WriteContext } from "./session-writer.ts";
import { WakeTimer } from "./wake-timer.ts";

/** Runs one session under its lease: input → transition → commit → actions, one at a time, in order. */
export class SessionRunner {
  readonly #deps: RunnerDeps;
  readonly #lease: Lease;
  readonly #logger: Logger;
  readonly #session: SessionWriter;
  readonly #host: EngineHost;
  /** The messages that the session sends, beside its steps. */
  readonly sends: SessionSends;
  readonly #wakeTimer: WakeTimer;
  #tail: Promise<unknown> = Promise.resolve();
  /** Number of commands that wait for the present step. */
  #waiting = 0;
  #commandWaits = Promise.withResolvers<void>();
  #state: "running" | "removed" | "closed" | "lost" = "running";
  #onLost = () => {};

  constructor(deps: RunnerDeps, lease: Lease, record: SessionRecord, messages: MessageLog | undefined) {
    this.#deps = deps;
    this.#lease = lease;
    this.#session = new SessionWriter(deps, lease, record, messages);
    this.#logger = deps.logger.child({ session: record.name });
    this.#wakeTimer = new WakeTimer(deps.clock, this.#logger, () => this.#wake());
    this.#host = new EngineHost(deps, lease, this.#logger, {
      enqueue: (step) => this.#enqueue(step),
      record: (event) => this.#recordEvent(event),
      commandWaits: () => this.#commandWaits.promise,
      findOutgoing: (id) => this.sends.find(id),
    });
    this.sends = new SessionSends(deps, {
      lease,
      logger: this.#logger,
      record: () => this.record,
      messages: () => this.#session.stored.messages,
      sending: () => (statusOf(this.record) === Status.WORKING ? this.#host.engine?.sending : undefined),
      messageFiles: () => (statusOf(this.record) === Status.WORKING ? this.#host.engine?.messageFiles : undefined),
    });
    lease.lost.addEventListener("abort", () => void this.#lose(), { once: true });
    if (lease.lost.aborted) void this.#lose();
  }

  /** Calls `listener` once the session is taken away or handed over; at once if it is gone already. */
  onLost(listener: () => void): void {
    this.#onLost = listener;
    if (this.#state === "lost") listener();
  }

  /** Returns true if the session was removed. */
  get removed(): boolean {
    return this.#state === "removed";
  }

  /** The session's record as it was last written. */
  get record(): SessionRecord {
    return this.#session.record;
  }

  /** True if the session works, has no files here, and so can go to another node at any time. */
  get isMovable(): boolean {
    return this.#state === "running" && this.record.phase === Phase.WORKING && !this.#session.isBound;
  }

  /** True if the session is stopped, so that it needs no node. */
  get isAtRest(): boolean {
    return this.record.phase === Phase.STOPPED;
  }

  /** Part of the node's load that the session makes up. */
  get weight(): number {
    return weightOf(this.record);
  }

  /** Unix time of the newest message that the session has reported, ms; 0 for none. */
  get newestMessageMs(): number {
    const { newestAt } = this.#session.stored.messages;
    return newestAt ? timestampMs(newestAt) : 0;
  }

  /** The open engine, if there is one. */
  get engine(): Engine | undefined {
    return this.#host.engine;
  }

  /** Writes the session for the first time, started or not. With a key, the answer is stored beside it. */
  create(start: boolean, idempotencyKey: string | undefined): Promise<SessionRecord> {
    return this.#enqueue(async () => {
      const moment = this.#session.moment();
      const next = start ? this.#next({ type: "start" }, moment) : unstarted(this.record);
      const state = idempotencyKey === undefined ? next.state : createdWith(idempotencyKey, next.state);
      await this.#advance({ ...next, state }, { moment });
      return this.record;
    });
  }

  /** Applies an input after all earlier ones. Resolves with the record once its actions are done too. */
  dispatch(input: SessionCommand): Promise<SessionRecord> {
    return this.#command(async () => {
      await this.#apply(typeof input === "function" ? await input(this.record) : input);
      return this.record;
    });
  }

  /** Logs out or deletes; also returns the result of unlinking the device at WhatsApp. */
  leave(input: SessionCommand): Promise<{ record: SessionRecord; outcome: UnlinkOutcome }> {
    return this.#command(async () => {
      const outcome = await this.#apply(typeof input === "function" ? await input(this.record) : input);
      return { record: this.record, outcome: outcome ?? "not_linked" };
    });
  }

  /** Restores the login that the session last connected with. */
  restoreCredentials(): Promise<SessionRecord> {
    return this.#command(async () => {
      const formerLogins = formerLoginsOf(this.#deps, this.record.engine);
      await this.#host.close();
      if (await formerLogins.restore(this.#deps.backend.engineData.credentials(this.#lease))) {
        await this.#apply({ type: "restored" });
        return this.record;
      }
      await this.#apply({ type: "resume" });
      throw new SessionError("CREDENTIALS_NOT_KEPT", "No former login of the session is kept");
    });
  }

  /** Asks the engine for a pairing code, "ABCD-ABCD", and offers it beside the QR. */
  async requestCode(phoneNumber: string): Promise<string> {
    const { engine } = this.#host;
    if (!engine || !this.#session.pairing)
      throw new SessionError("PAIRING_CODE_REFUSED", "The session does not wait for a phone");
    if (!engine.pairingCodes)
      throw new SessionError("METHOD_NOT_SUPPORTED", "The session's engine has no pairing codes");
    const code = await engine.pairingCodes.request(phoneNumber).catch((error: unknown) => {
      if (error instanceof PairingCodeRefused) throw new SessionError("PAIRING_CODE_REFUSED", error.message);
      throw error;
    });
    const shown = `${code.slice(0, 4)}-${code.slice(4)}`;
    await this.#enqueue(async () => {
      if (engine === this.#host.engine) await this.#session.offerCode(shown);
    });
    return shown;
  }

  /** Replaces the engine after its library threw an uncaught exception: its state is unknown. */
  crashed(): Promise<void> {
    return this.#enqueue(async () => {
      if (!this.#host.engine) return;
      await this.#apply(closedBy("engine_crashed", "The engine failed unexpectedly"));
      await this.#host.close();
    });
  }

  /** Closes the engine and releases the lease, or leaves it to this node's next start; the stored session stays as it is. Idempotent. */
  async close({ keepsLease = false } = {}): Promise<void> {
    if (this.#state !== "running") return;
    await this.#finish("closed");
    if (!keepsLease) await this.#deps.backend.sessions.release(this.#lease);
  }

  /** Closes the engine, then gives the lease to another node: to `to`, or to the one with most room. Returns false if the session does not run here, or can run nowhere else. */
  async handOver(placement: Pick<Placement, "handOver">, to?: string): Promise<boolean> {
    const { isBound } = this.#session;
    if (this.#state !== "running" || (isBound && !canPack(this.#deps, this.record))) return false;
    const finished = this.#finish("lost");
    this.#onLost();
    await finished;
    if (isBound && !(await this.#pack())) return false;
    await placement.handOver(this.#lease, to);
    return true;
  }

  /** Archives the files of the session, which then can run elsewhere. Returns false if they cannot be: it waits for this node then. */
  async #pack(): Promise<boolean> {
    try {
      await packFiles(this.#deps, this.#lease, this.record);
      await this.#session.unbind();
    } catch (error) {
      this.#logger.warn({ err: error }, "the session's files cannot go to another node; it waits for this one");
      await this.#deps.backend.sessions.release(this.#lease);
      return false;
    }
    await discardOutside(this.#deps, this.record).catch((error: unknown) => {
      this.#logger.warn({ err: error }, "the session's files are with another node, and could not be removed here");
    });
    return true;
  }

  /** Takes no more steps, and resolves when the engine is closed and the step under way is done. */
  async #finish(state: "closed" | "lost"): Promise<void> {
    this.#state = state;
    this.sends.close();
    this.#wakeTimer.set(undefined);
    this.#commandWaits.resolve();
    const settled = this.#tail.catch(() => {});
    await this.#host.close();
    await settled;
    // A step under way may have opened one more.
    await this.#host.close();
  }

  /** Goes on after a wait, unless the gate says to wait longer. That changes nothing worth a write. */
  #wake(): Promise<void> {
    return this.#command(async () => {
      const againAtMs = this.#host.takeTurn();
      if (againAtMs !== undefined) return this.#wakeTimer.set(againAtMs);
      try {
        await this.#apply({ type: "wake" });
      } finally {
        this.#host.giveUpTurn();
      }
    });
  }

  /** Queues a step for which the present one hurries. */
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
      if (this.#state === "removed") throw sessionNotFound(this.record.name);
      if (this.#state === "closed") throw shuttingDown();
      if (this.#state === "lost") throw sessionMoving(this.record.name);
      return step();
    });
    this.#tail = result.catch(() => {}).then(() => this.sends.refresh());
    return result;
  }

  /** Applies an input. Returns the result of unlinking the device, if the input led to a logout at WhatsApp. */
  async #apply(input: SessionInput, pairing?: Pairing): Promise<UnlinkOutcome | undefined> {
    const moment = this.#session.moment();
    const next = this.#next(input, moment);
    if (this.#session.isChange(next)) {
      return this.#advance(next, { moment, pairing, lastInboundAtMs: this.#host.engine?.lastInboundAtMs });
    }
    this.#scheduleWake();
    return this.#performAll(next.actions);
  }

  /** Returns the transition that follows from an input. Before an engine is opened the gate is asked: a wait is part of the same write. */
  #next(input: SessionInput, moment: Moment): Transition {
    const next = this.#session.next(input, moment);
    const opensOnly = next.actions.length === 1 && next.actions[0]?.type === "open_engine";
    const untilMs = opensOnly && this.#state === "running" ? this.#host.admit() : undefined;
    return untilMs === undefined ? next : this.#session.next({ type: "postponed", untilMs }, moment, next);
  }

  /** Writes a transition, then performs its actions. */
  async #advance(next: Transition, context: WriteContext): Promise<UnlinkOutcome | undefined> {
    try {
      return await this.#write(next, context);
    } finally {
      this.#host.giveUpTurn();
    }
  }

  async #write(next: Transition, context: WriteContext): Promise<UnlinkOutcome | undefined> {
    const { events, wipe, actions } = next;
    const asideId = await this.#written(this.#session.write(next, context));
    if (events.includes("session.status")) {
      this.#logger.info({ status: Status[statusOf(this.record)] }, "session status");
    }
    this.#scheduleWake();
    if (wipe !== "none") await this.sends.cancelAll();
    if (asideId !== undefined) {
      await this.#host.close();
      await this.#deps.onSetAside?.(asideId);
    }
    const outcome = await this.#performAll(actions);
    // An engine's data outside of the store is removed with that inside.
    if (!this.#host.engine && wipe !== "none") await discardOutside(this.#deps, this.record);
    return outcome ?? (asideId === undefined ? undefined : "pending");
  }

  async #performAll(actions: readonly SessionAction[]): Promise<UnlinkOutcome | undefined> {
    let outcome: UnlinkOutcome | undefined;
    for (const action of actions) {
      if (this.#state === "lost") throw sessionMoving(this.record.name);
      outcome = (await this.#perform(action)) ?? outcome;
    }
    return outcome;
  }

  async #perform(action: SessionAction): Promise<UnlinkOutcome | undefined> {
    switch (action.type) {
      case "close_engine":
        await this.#host.close();
        return undefined;
      case "open_engine": {
        const refused = this.#state === "running" ? this.#host.open(this.#session.stored) : undefined;
        return refused && this.#apply(refused);
      }
      case "unlink_engine": {
        const outcome = await this.#host.unlink(this.#session.stored, action.connects);
        await this.#apply({ type: "unlinked", outcome });
        return outcome;
      }
      case "remove":
        await this.#remove();
        return undefined;
    }
  }

  async #recordEvent(event: EngineEvent): Promise<void> {
    const report = await takeMessageReport(event, this.record, this.sends, this.#deps);
    if (!report) return;
    if (report.type !== "qr") {
      await this.#apply(report);
      return;
    }
    const { type, ...pairing } = report;
    await this.#apply({ type }, pairing);
  }

  async #remove(): Promise<void> {
    await discardOutside(this.#deps, this.record);
    await this.#written(this.#session.remove());
    this.#state = "removed";
    this.sends.close();
    this.#wakeTimer.set(undefined);
    await this.#deps.backend.sessions.release(this.#lease);
  }

  /** Resolves like a write. One that is refused for its lease ends the session here. */
  async #written<T>(write: Promise<T>): Promise<T> {
    try {
      return await write;
    } catch (error) {
      if (error instanceof LeaseLost) void this.#lose();
      throw error;
    }
  }

  /** Stops the engine at once: another process may own the session. Idempotent. */
  async #lose(): Promise<void> {
    if (this.#state !== "running") return;
    this.#state = "lost";
    this.sends.close();
    this.#wakeTimer.set(undefined);
    this.#commandWaits.resolve();
    // The first step of closing an engine is synchronous.
    const closed = this.#host.close();
    this.#onLost();
    this.#logger.warn({}, "another process may run this session now; its engine here is closed");
    await closed.catch((error: unknown) => this.#logger.error({ err: error }, "engine did not close"));
  }

  #scheduleWake(): void {
    this.#wakeTimer.set(this.#state === "running" ? wakeAtMs(this.record) : undefined);
  }
}

const unstarted = (state: SessionRecord): Transition => ({
  state,
  events: ["session.updated"],
  changed: ["config"],
  wipe: "none",
  actions: [],
});
