import { create } from "@bufbuild/protobuf";
import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  Engine_Kind,
  type SessionConfig,
  SessionConfigSchema,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import { restoreSecrets } from "../domain/config.ts";
import {
  isNotFound,
  ownedElsewhere,
  SessionError,
  sessionMoving,
  sessionNotFound,
  shuttingDown,
} from "../domain/errors.ts";
import { newRecord, statusOf, type UnlinkOutcome } from "../domain/session.ts";
import { type Lease, LeaseLost, OwnedElsewhere, type Pairing } from "../ports/sessions.ts";
import { type BootChoice, planBoot } from "./boot.ts";
import { BootReport } from "./boot-report.ts";
import { ClusterMember, type Drain, type MemberCounts } from "./cluster-member.ts";
import { type Created, Creations } from "./creations.ts";
import { unlessFrozen } from "./frozen.ts";
import { OutdatedSessions, type VersionChange } from "./outdated-sessions.ts";
import { waitForPairing, waitUntilPairable } from "./pairing.ts";
import type { RunnerDeps } from "./runner-deps.ts";
import { type Screenshot, takeScreenshot } from "./screenshot.ts";
import type { SessionSends } from "./sending/session-sends.ts";
import {
  configureCommand,
  deleteCommand,
  requireEngine,
  restartCommand,
  type SessionCommand,
  startCommand,
} from "./session-commands.ts";
import { SessionRunner } from "./session-runner.ts";
import { awaitWithin } from "./time-box.ts";
import { Unlinker } from "./unlinker.ts";

export interface SessionManagerOptions extends RunnerDeps, BootChoice {
  /** The engine of sessions that name none. */
  readonly defaultEngine: Engine_Kind;
  /** How long to wait at boot before sessions connect. */
  readonly bootDelayMs?: number;
}

/** Time limit of closing a node of a cluster, whose store may be out of reach. */
const closeLimitMs = 10_000;

/** A session to be created. */
export interface NewSession {
  /** Empty: one is made up. */
  readonly name: string;
  readonly engine: Engine_Kind;
  readonly config: SessionConfig | undefined;
  readonly start: boolean;
  /** Names this call: a second one with the same key is answered as the first was. */
  readonly idempotencyKey?: string;
}

/** All operations on sessions, as the API calls them. Rejects with SessionError for reasons that a caller can understand. */
export class SessionManager {
  readonly #options: SessionManagerOptions;
  readonly #runners = new Map<string, Promise<SessionRunner>>();
  readonly #closing = new AbortController();
  readonly #creations: Creations;
  readonly #outdated: OutdatedSessions;
  readonly #unlinker: Unlinker;
  readonly #member: ClusterMember | undefined;
  #report: BootReport | undefined;

  constructor(options: SessionManagerOptions) {
    this.#options = options;
    this.#unlinker = new Unlinker(options);
    this.#member = this.#join();
    this.#creations = new Creations(options.backend.sessions);
    this.#outdated = new OutdatedSessions(options.engines, (change, session) => this.#retry(change, session));
  }

  /** The session's record as it is now. */
  async get(session: string): Promise<SessionRecord> {
    const { record } = await this.#options.backend.sessions.get(session);
    if (!record) throw sessionNotFound(session);
    return record;
  }

  /** Creates a session and, with `start`, starts it, in one write. */
  create(request: NewSession): Promise<Created> {
    return unlessFrozen(this.#standing, () => this.#creations.once(request, () => this.#create(request)));
  }

  async #create(request: NewSession): Promise<SessionRecord> {
    const name = request.name || `session_${this.#options.random.hex(16)}`;
    const engine = request.engine || this.#options.defaultEngine;
    await requireEngine(this.#options, engine);
    const message = `Session '${name}' already exists. Use PUT to update it.`;
    const exists = new SessionError("SESSION_ALREADY_EXISTS", message, { session: name });
    // One that is being removed, or whose loading fails, may be gone in a moment.
    const known = await this.#runners.get(name)?.catch(() => undefined);
    if ((known && !known.removed) || this.#runners.has(name)) throw exists;
    let saved: SessionRecord | undefined;
    await this.#load(name, async () => {
      if (await this.#isKnown(name)) throw exists;
      const config = request.config ? restoreSecrets(request.config, undefined) : create(SessionConfigSchema);
      const made = newRecord(name, engine, config, this.#options.clock.wallMs());
      const runner = await this.#runnerFor(name, (written) => {
        if (written) throw exists;
        return made;
      });
      saved = await runner.create(request.start, request.idempotencyKey);
      return runner;
    });
    if (!saved) throw sessionNotFound(name);
    return saved;
  }

  /** Replaces the configuration; where it says "***", the stored value stays. Restarts a session that is not stopped. */
  update(session: string, config: SessionConfig | undefined, expectedRevision?: number): Promise<SessionRecord> {
    return this.#dispatch(session, configureCommand(this.#options, config, expectedRevision));
  }

  /** Removes a session with its data; returns the result of unlinking its device. Idempotent. */
  async delete(session: string, expectedRevision?: number): Promise<UnlinkOutcome> {
    try {
      const { outcome } = await this.#command(session, (runner) => runner.leave(deleteCommand(expectedRevision)));
      return outcome;
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return "not_linked";
    }
  }

  start(session: string): Promise<SessionRecord> {
    return this.#dispatch(session, startCommand(this.#options));
  }

  stop(session: string): Promise<SessionRecord> {
    return this.#dispatch(session, { type: "stop" });
  }

  restart(session: string): Promise<SessionRecord> {
    return this.#dispatch(session, restartCommand(this.#options));
  }

  /** Logs out; also returns the result of unlinking the device. */
  logout(session: string): Promise<{ record: SessionRecord; outcome: UnlinkOutcome }> {
    return this.#command(session, (runner) => runner.leave({ type: "logout" }));
  }

  /** Number of devices that were logged out or deleted and are still to be unlinked at WhatsApp. */
  get pendingUnlinks(): number {
    return this.#unlinker.count;
  }

  /** Adds or revokes a pairing link. */
  changeLinks(session: string, command: SessionCommand): Promise<SessionRecord> {
    return this.#dispatch(session, command);
  }

  /** Restores the login that the session last connected with. The present one is stored in its place. */
  restoreCredentials(session: string): Promise<SessionRecord> {
    return this.#command(session, (runner) => runner.restoreCredentials());
  }

  /** Creates or updates a session and starts it; one that runs already is refused. */
  async startDeprecated(session: string, config: SessionConfig | undefined): Promise<SessionRecord> {
    const { record } = await this.#options.backend.sessions.get(session);
    if (!record) return (await this.create(startedSession(session, config))).record;
    const status = statusOf(record);
    if (status !== Status.STOPPED && status !== Status.FAILED) {
      throw new SessionError("SESSION_ALREADY_STARTED", `Session '${session}' is already started.`, { session });
    }
    await this.update(session, config);
    return this.start(session);
  }

  /** Stops a session, or deletes it with `logout`; then returns the result of unlinking its device. */
  async stopDeprecated(session: string, logout: boolean): Promise<UnlinkOutcome | undefined> {
    if (logout) return this.delete(session);
    await this.stop(session);
    return undefined;
  }

  /** Returns the messages that a session sends. */
  async sends(session: string): Promise<SessionSends> {
    return (await this.#runner(session)).sends;
  }

  /** Returns the code that a phone can scan now. Waits at most 5 s for a session that is STARTING. */
  pairing(session: string, signal: AbortSignal): Promise<Pairing> {
    return waitForPairing(this.#pairingDeps, session, signal);
  }

  /** A pairing code for a phone (7 to 15 digits), "ABCD-ABCD", once WhatsApp has accepted the request. */
  async requestCode(session: string, phoneNumber: string, signal: AbortSignal): Promise<string> {
    await waitUntilPairable(this.#pairingDeps, session, signal);
    return this.#command(session, (runner) => runner.requestCode(phoneNumber));
  }

  /** Returns a picture of the session's page, or the QR value to draw for an engine without a page. */
  screenshot(session: string, _signal: AbortSignal): Promise<Screenshot> {
    return takeScreenshot(this.#options, session, async () => (await this.#runner(session)).engine);
  }

  /** When WhatsApp was last heard (Unix ms), for each session with an engine that knows. */
  async lastInbound(): Promise<ReadonlyMap<string, number>> {
    const heard = new Map<string, number>();
    for (const [name, loading] of this.#runners) {
      const atMs = (await loading.catch(() => undefined))?.engine?.lastInboundAtMs;
      if (atMs !== undefined) heard.set(name, atMs);
    }
    return heard;
  }

  /** Brings every session to its desired state. Resolves when all are asked to start; a log line follows. */
  async boot(): Promise<void> {
    const { backend, logger, clock, gate, bootDelayMs = 0 } = this.#options;
    if (bootDelayMs > 0) gate?.holdUntil(clock.nowMs() + bootDelayMs);
    if (this.#member) return this.#member.start();
    const { records } = await backend.sessions.list();
    await this.#unlinker.start();
    const plan = planBoot(records, this.#options);
    this.#report = new BootReport(clock, logger, plan.expected);
    const restore = async (name: string, start: boolean) => {
      await this.#runner(name);
      return start ? this.#run(name, (runner) => runner.dispatch({ type: "start" })) : this.get(name);
    };
    const create = (name: string) => this.create(startedSession(name, undefined));
    await plan.run({ restore, create }, this.#report, logger);
  }

  /** Takes on no more sessions, and gives those that run here to the other nodes of the cluster. To be followed by `close`. */
  async drain(mode: Drain): Promise<void> {
    await this.#member?.drain(mode);
  }

  /** Counts of this node; undefined outside of a cluster. */
  get memberCounts(): MemberCounts | undefined {
    return this.#member?.counts;
  }

  /** Replaces a session's engine after an uncaught failure in it. Never rejects. */
  async crashed(session: string): Promise<void> {
    const runner = await this.#runners.get(session)?.catch(() => undefined);
    await runner?.crashed().catch((error: unknown) => {
      if (!(error instanceof SessionError))
        this.#options.logger.error({ err: error, session }, "could not close an engine that failed");
    });
  }

  /** Closes all engines and releases all leases; the stored sessions stay as they are. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#report?.close();
    const close = async () => {
      const options = { keepsLease: this.#member?.keepsLeases ?? false };
      const closed = Array.from(this.#runners.values(), async (loading) =>
        (await loading.catch(() => undefined))?.close(options),
      );
      await Promise.all([...closed, this.#member?.stop()]);
      await this.#unlinker.close();
    };
    // A store that cannot be reached holds no node back: the others claim its sessions.
    if (this.#standing) await awaitWithin(this.#options.clock, closeLimitMs, close());
    else await close();
  }

  get #standing() {
    return this.#options.backend.cluster?.standing;
  }

  #join(): ClusterMember | undefined {
    const { sessions, cluster } = this.#options.backend;
    if (!cluster) return undefined;
    return new ClusterMember(
      { ...this.#options, sessions, cluster },
      {
        has: (session) => this.#runners.has(session),
        resume: (session) => this.#runner(session),
        takeUnlink: (id) => this.#unlinker.arrive(id),
        start: (session) => this.start(session),
        create: (session) => this.create(startedSession(session, undefined)),
        runners: () => [...this.#runners.values()],
      },
    );
  }

  #dispatch(session: string, input: SessionCommand): Promise<SessionRecord> {
    return this.#command(session, (runner) => runner.dispatch(input));
  }

  #command<T>(session: string, command: (runner: SessionRunner) => Promise<T>): Promise<T> {
    return unlessFrozen(this.#standing, () => this.#run(session, command));
  }

  async #run<T>(session: string, command: (runner: SessionRunner) => Promise<T>): Promise<T> {
    const runner = await this.#runner(session);
    try {
      return await command(runner);
    } catch (error) {
      throw error instanceof LeaseLost ? sessionMoving(session) : error;
    } finally {
      if (runner.removed) this.#runners.delete(session);
    }
  }

  /** The session's runner. A session met for the first time in this process has no engine, whatever its record says: that is mended first. */
  #runner(session: string): Promise<SessionRunner> {
    const open = async () => {
      if (!(await this.#isKnown(session))) throw sessionNotFound(session);
      const runner = await this.#runnerFor(session, (written) => {
        if (!written) throw sessionNotFound(session);
        return written;
      });
      const record = runner.record;
      const resume = { type: "resume", clientVersion: this.#outdated.versionFor(record) } as const;
      this.#outdated.note(await runner.dispatch(this.#options.restart === "none" ? { type: "stop" } : resume));
      if (runner.removed) throw sessionNotFound(session);
      return runner;
    };
    return this.#runners.get(session) ?? this.#load(session, open);
  }

  /** One runner per name, however many ask at once; a failure is forgotten, so that the next caller tries again. */
  #load(session: string, open: () => Promise<SessionRunner>): Promise<SessionRunner> {
    if (this.#closing.signal.aborted) throw shuttingDown();
    const loading = open();
    this.#runners.set(session, loading);
    const forget = () => {
      if (this.#runners.get(session) === loading) this.#runners.delete(session);
    };
    // In a cluster it can come back, under another lease.
    loading.then((runner) => this.#member && runner.onLost(forget), forget);
    return loading;
  }

  async #isKnown(session: string): Promise<boolean> {
    return (await this.#options.backend.sessions.get(session)).record !== undefined;
  }

  /** Acquires a session and returns its runner. `recordOf` makes the record from the written one, if there is one, or throws. */
  async #runnerFor(
    session: string,
    recordOf: (written: SessionRecord | undefined) => SessionRecord,
  ): Promise<SessionRunner> {
    const { sessions } = this.#options.backend;
    const lease: Lease = await sessions.acquire(session).catch((error: unknown) => {
      throw error instanceof OwnedElsewhere ? ownedElsewhere(session, error.node, error.isBound) : error;
    });
    if (this.#member) lease.lost.addEventListener("abort", () => this.#member?.noteLoss(), { once: true });
    const deps: RunnerDeps = {
      ...this.#options,
      onChange: (changed) => {
        this.#report?.note(changed);
        this.#member?.note(changed);
        this.#outdated.note(changed);
        this.#options.onChange?.(changed);
      },
      onSetAside: (id) => this.#unlinker.add(id),
    };
    try {
      // Not earlier: another node may have written it until then.
      const record = recordOf((await sessions.get(session)).record);
      return new SessionRunner(deps, lease, record, await sessions.messages(session));
    } catch (error) {
      await sessions.release(lease);
      throw error;
    }
  }

  /** Applies a change of the client version to a session, or to all that have been loaded. Never throws. */
  #retry(change: VersionChange, session?: string): void {
    for (const name of session === undefined ? this.#runners.keys() : [session]) {
      this.#run(name, (runner) => runner.dispatch(change)).catch((error: unknown) => {
        if (error instanceof SessionError) return;
        this.#options.logger.error({ err: error, session: name }, "could not try another client version");
      });
    }
  }

  get #pairingDeps() {
    const { backend, clock } = this.#options;
    return { sessions: backend.sessions, clock, closing: this.#closing.signal };
  }
}

const startedSession = (name: string, config: SessionConfig | undefined): NewSession => ({
  name,
  engine: Engine_Kind.KIND_UNSPECIFIED,
  config,
  start: true,
});
