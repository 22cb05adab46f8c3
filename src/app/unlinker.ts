import { create } from "@bufbuild/protobuf";
import type { PendingUnlink } from "../../gen/sessiond/store/v1/store_pb.js";
import { SessionConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { leftMs, waitMs, withFailedAttempt } from "../domain/pending-unlink.ts";
import { proxyFor } from "../domain/proxy.ts";
import type { Engine, EngineFactory } from "../ports/engine.ts";
import { type Lease, OwnedElsewhere } from "../ports/sessions.ts";
import type { Logger } from "../ports/system.ts";
import { loginIn, unlinkDevice } from "./device-unlinking.ts";
import type { RunnerDeps } from "./runner-deps.ts";
import { awaitWithin } from "./time-box.ts";
import { storeRetryMs } from "./wake-timer.ts";

/** Number of concurrent attempts. */
const maxAtOnce = 4;
/** Time limit of one attempt, in which a browser starts and WhatsApp Web logs in. */
const attemptLimitMs = 90_000;
const closeLimitMs = 3_000;

/** Unlinks the devices of logins that were set aside. Retries until WhatsApp has removed them, for at most a day. */
export class Unlinker {
  readonly #deps: RunnerDeps;
  readonly #waiting = new Map<string, () => void>();
  readonly #due: PendingUnlink[] = [];
  readonly #running = new Map<string, Promise<void>>();
  /** Leases of this node of a cluster. */
  readonly #held = new Map<string, Lease>();
  readonly #closing = new AbortController();

  constructor(deps: RunnerDeps) {
    this.#deps = deps;
  }

  /** Number of devices still to be unlinked. */
  get count(): number {
    return this.#waiting.size + this.#due.length + this.#running.size;
  }

  /** Schedules the pending unlinks of earlier processes. Called before any session opens an engine. */
  async start(): Promise<void> {
    for (const pending of await this.#deps.backend.pendingUnlinks.list()) await this.#takeOn(pending);
  }

  /** Schedules a login that has just been set aside. Does nothing if the session had none. No engine of the session may be open. */
  async add(id: string): Promise<void> {
    const pending = await this.#find(id);
    if (!pending) return;
    this.#loggerOf(pending).info({}, "the device could not be unlinked at WhatsApp yet; that is tried for a day");
    await this.#takeOn(pending);
  }

  /** Schedules a pending unlink that this node was given. Returns false if there is none with this id. */
  async arrive(id: string): Promise<boolean> {
    const pending = await this.#find(id);
    if (pending) await this.#takeOn(pending);
    return pending !== undefined;
  }

  /** Cancels all attempts. Pending unlinks stay pending. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const cancel of this.#waiting.values()) cancel();
    this.#waiting.clear();
    this.#due.length = 0;
    await Promise.all(this.#running.values());
    await Promise.all(Array.from(this.#held.values(), (lease) => this.#deps.backend.sessions.release(lease)));
  }

  async #find(id: string): Promise<PendingUnlink | undefined> {
    return (await this.#deps.backend.pendingUnlinks.list()).find((one) => one.id === id);
  }

  async #takeOn(pending: PendingUnlink): Promise<void> {
    const { id } = pending;
    if (this.#waiting.has(id) || this.#running.has(id) || this.#due.some((one) => one.id === id)) return;
    await this.#moveOutside(pending);
    this.#wait(pending, waitMs(pending, this.#deps.clock.nowMs(), this.#policy()));
  }

  /** Moves the engine's data outside of the store. Repeated at each start, because a crash may have prevented it. */
  async #moveOutside(pending: PendingUnlink): Promise<void> {
    const files = this.#deps.engines.get(pending.engine)?.files;
    if (!files) return;
    try {
      await this.#withLease(pending, (lease) =>
        files.setAside(pending.session, pending.id, this.#deps.backend.engineData.credentials(lease)),
      );
    } catch (error) {
      if (error instanceof OwnedElsewhere) return;
      this.#loggerOf(pending).error({ err: error }, "the login could not be set aside");
    }
  }

  #wait(pending: PendingUnlink, delayMs: number): void {
    if (this.#closing.signal.aborted) return;
    const cancel = this.#deps.clock.schedule(delayMs, () => {
      this.#waiting.delete(pending.id);
      this.#due.push(pending);
      this.#next();
    });
    this.#waiting.set(pending.id, cancel);
  }

  #next(): void {
    while (this.#running.size < maxAtOnce) {
      const pending = this.#due.shift();
      if (!pending) return;
      const attempt = this.#attempt(pending).then((next) => {
        this.#running.delete(pending.id);
        if (next) this.#wait(next.pending, next.delayMs);
        this.#next();
      });
      this.#running.set(pending.id, attempt);
    }
  }

  /** Makes one attempt. Returns the next one and its delay, or undefined if none is needed. Never rejects. */
  async #attempt(pending: PendingUnlink): Promise<{ pending: PendingUnlink; delayMs: number } | undefined> {
    const { backend, clock } = this.#deps;
    const logger = this.#loggerOf(pending);
    try {
      if (leftMs(pending, clock.nowMs()) === 0) {
        await this.#finish(pending);
        logger.warn({}, "WhatsApp could not be reached for a day to unlink the device: remove it on the phone by hand");
        return undefined;
      }
      const isDone = await this.#withLease(pending, (lease) => this.#unlink(pending, lease, logger));
      if (isDone) {
        await this.#finish(pending);
        logger.info({}, "the device of a former login is unlinked");
        return undefined;
      }
      if (this.#closing.signal.aborted) return undefined;
      const next = withFailedAttempt(pending, clock.nowMs(), this.#policy());
      await backend.pendingUnlinks.save(next);
      return { pending: next, delayMs: waitMs(next, clock.nowMs(), this.#policy()) };
    } catch (error) {
      if (this.#closing.signal.aborted || error instanceof OwnedElsewhere) return undefined;
      logger.error({ err: error }, "could not unlink a device; trying again");
      return { pending, delayMs: storeRetryMs };
    }
  }

  /** Makes one attempt. Resolves with true if the device is unlinked or the login is gone. */
  async #unlink(pending: PendingUnlink, lease: Lease, logger: Logger): Promise<boolean> {
    const { backend, engines, clock, gate } = this.#deps;
    const factory = engines.get(pending.engine);
    if (!factory) return false;
    const login = await loginIn(factory, backend.engineData.credentials(lease));
    if (login !== "some") return login === "none";
    const cut = new AbortController();
    const signal = AbortSignal.any([cut.signal, this.#closing.signal, lease.lost]);
    const open = () => this.#open(factory, pending, lease, logger);
    const work = unlinkDevice({ engine: undefined, open, gate, clock, retries: false, signal });
    const stopped = Promise.withResolvers<void>();
    this.#closing.signal.addEventListener("abort", () => stopped.resolve(), { once: true });
    const hurry = { wanted: stopped.promise, limitMs: closeLimitMs };
    const result = await awaitWithin(clock, attemptLimitMs, work, hurry);
    if (result) return result === "unlinked" || result === "not_linked";
    cut.abort();
    const late = await awaitWithin(clock, closeLimitMs, work);
    return late === "unlinked" || late === "not_linked";
  }

  #open(factory: EngineFactory, pending: PendingUnlink, lease: Lease, logger: Logger): Engine {
    const { backend, proxies, scope } = this.#deps;
    const { id, session, config = create(SessionConfigSchema) } = pending;
    const proxy = config.proxy ?? proxyFor(session, proxies);
    const open = () =>
      factory.open({
        session: id,
        config: proxy ? { ...config, proxy } : config,
        credentials: backend.engineData.credentials(lease),
        chats: backend.engineData.chats(lease),
        logger: config.debug ? logger.child({}, "debug") : logger,
        standing: backend.cluster?.standing,
      });
    return scope ? scope(id, open) : open();
  }

  async #finish(pending: PendingUnlink): Promise<void> {
    // Before its record is removed, so that after a crash the next process finishes the work.
    await this.#deps.engines.get(pending.engine)?.files?.discard(pending.id);
    await this.#deps.backend.pendingUnlinks.finish(pending.id);
    this.#held.delete(pending.id);
  }

  async #withLease<T>({ id }: PendingUnlink, work: (lease: Lease) => Promise<T>): Promise<T> {
    const { backend } = this.#deps;
    const lease = await backend.sessions.acquire(id);
    // In a cluster this node goes on with it, so that its attempts keep their distances.
    if (backend.cluster) this.#held.set(id, lease);
    try {
      return await work(lease);
    } finally {
      if (!backend.cluster) await backend.sessions.release(lease);
    }
  }

  #policy() {
    return { ...this.#deps.policy, jitter: this.#deps.random.unit() };
  }

  #loggerOf({ session, me }: PendingUnlink): Logger {
    return this.#deps.logger.child({ session, ...(me && { account: me.id }) });
  }
}
