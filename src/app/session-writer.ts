import type { Endpoint, MessageLog, SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import { SessionRecord_Phase as Phase } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import { endpointIdsFor, endpointsOf } from "../domain/delivery.ts";
import { announcedEvents, deletedEvent, type StatusContext } from "../domain/event.ts";
import { carriedOver } from "../domain/message-log.ts";
import { setAside } from "../domain/pending-unlink.ts";
import { type Moment, type SessionInput, type StoredSession, type Transition, transition } from "../domain/session.ts";
import { joinTransitions } from "../domain/session-transition.ts";
import type { Commit, Lease, Pairing } from "../ports/sessions.ts";
import { isBound, type RunnerDeps } from "./runner-deps.ts";

/** Parts of a write that do not follow from the transition. */
export interface WriteContext {
  readonly moment: Moment;
  /** The code that a report brought; left out: the present one, as long as the session is pairing. */
  readonly pairing?: Pairing | undefined;
  /** Unix time when WhatsApp was last heard, if known. */
  readonly lastInboundAtMs?: number | undefined;
}

/** The stored state of one session, and its only writer as long as it holds the lease. */
export class SessionWriter {
  readonly #deps: RunnerDeps;
  readonly #lease: Lease;
  #stored: StoredSession;
  /** The log of messages as it was last written. */
  #writtenMessages: MessageLog | undefined;
  #pairing: Pairing | undefined;
  #endpoints: readonly Endpoint[] | undefined;

  /** `messages`: the log of messages, if one was written. */
  constructor(deps: RunnerDeps, lease: Lease, record: SessionRecord, messages: MessageLog | undefined) {
    this.#deps = deps;
    this.#lease = lease;
    const [separated, log] = carriedOver(record, messages);
    this.#stored = { record: separated, messages: log };
    // A log that was carried over is written with the first commit.
    this.#writtenMessages = separated === record ? log : undefined;
  }

  get stored(): StoredSession {
    return this.#stored;
  }

  get record(): SessionRecord {
    return this.#stored.record;
  }

  /** The code that a phone can scan or type now. */
  get pairing(): Pairing | undefined {
    return this.#pairing;
  }

  /** True if the session has files on this machine, so that it can run on no other node. */
  get isBound(): boolean {
    return isBound(this.#deps, this.record);
  }

  /** Reads both clocks. */
  moment(): Moment {
    return { nowMs: this.#deps.clock.nowMs(), wallMs: this.#deps.clock.wallMs() };
  }

  /** Returns the transition that follows from an input: from the stored state, or after another transition, joined with it. */
  next(input: SessionInput, moment: Moment, after?: Transition): Transition {
    const policy = { ...this.#deps.policy, jitter: this.#deps.random.unit() };
    if (!after) return transition(this.#stored, input, moment, policy);
    const { state: record, messages = this.#stored.messages } = after;
    return joinTransitions(after, transition({ record, messages }, input, moment, policy));
  }

  /** Returns true if a transition changes stored data. */
  isChange({ state, events, wipe, messages }: Transition): boolean {
    return state !== this.record || events.length > 0 || wipe !== "none" || messages !== undefined;
  }

  /** Writes a transition with its events. Returns the id that its login was set aside under, if it was. */
  async write(next: Transition, { moment, pairing, lastInboundAtMs }: WriteContext): Promise<string | undefined> {
    const { state, wipe, messages = this.#stored.messages } = next;
    const context = this.#eventContext(moment.wallMs);
    const events = announcedEvents(next, lastInboundAtMs, context);
    const aside = wipe === "set_aside" ? setAside(this.record, context.ulid(), moment.nowMs) : undefined;
    await this.#commit({
      record: state,
      messages,
      events: this.#addressed(events, state),
      wipe: wipe !== "none",
      ...(aside && { setAside: aside }),
      pairing: state.phase === Phase.PAIRING ? (pairing ?? this.#pairing ?? null) : null,
    });
    return aside?.id;
  }

  /** Offers a pairing code beside the QR. */
  async offerCode(code: string): Promise<void> {
    if (!this.#pairing) return;
    await this.#commit({ ...this.#stored, events: [], pairing: { ...this.#pairing, code } });
  }

  /** Writes that the session has no files on this machine any more, so that another node can run it. */
  async unbind(): Promise<void> {
    await this.#deps.backend.sessions.commit(this.#lease, { record: this.record, events: [], isBound: false });
  }

  /** Removes the session for good. */
  async remove(): Promise<void> {
    const event = deletedEvent(this.record, this.#eventContext(this.moment().wallMs));
    await this.#deps.backend.sessions.remove(this.#lease, [{ event, endpointIds: [] }]);
  }

  async #commit({ messages, ...commit }: Commit & { readonly messages: MessageLog }): Promise<void> {
    const { record, pairing } = commit;
    const endpoints = this.#endpointsOf(record);
    await this.#deps.backend.sessions.commit(this.#lease, {
      ...commit,
      ...(messages !== this.#writtenMessages && { messages }),
      ...(endpoints !== this.#endpoints && { endpoints }),
      isReconfigured: record.config !== this.record.config,
      ...(this.#deps.backend.cluster && { isBound: isBound(this.#deps, record) }),
    });
    this.#writtenMessages = messages;
    this.#endpoints = endpoints;
    this.#stored = { record, messages };
    if (pairing !== undefined) this.#pairing = pairing ?? undefined;
    this.#deps.onChange?.(record);
  }

  /** Returns the same array as long as nothing has changed, so that unchanged endpoints are not written again. */
  #endpointsOf(record: SessionRecord): readonly Endpoint[] {
    if (this.#endpoints && record.config === this.record.config) return this.#endpoints;
    return endpointsOf(record.config?.webhooks ?? [], this.#deps.globalWebhook);
  }

  #addressed(events: readonly Event[], record: SessionRecord) {
    const endpoints = this.#endpointsOf(record);
    return events.map((event) => ({ event, endpointIds: endpointIdsFor(event.name, endpoints) }));
  }

  #eventContext(nowMs: number): StatusContext {
    const { clock, random, proxies } = this.#deps;
    return {
      nowMs,
      ulid: () => random.ulid(nowMs),
      wallMsAt: (atMs) => clock.wallMsAt(atMs),
      hasProxyPool: proxies.servers.length > 0,
    };
  }
}
