import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Endpoint,
  EndpointSchema,
  type SessionRecord,
  SessionRecordSchema,
} from "../../gen/sessiond/store/v1/store_pb.js";
import { type Event, EventSchema } from "../../gen/sessiond/v1/event_pb.js";
import type { Backend } from "../../src/ports/backend.ts";
import type { Claim, NewEvent } from "../../src/ports/outbox.ts";
import type { Pairing } from "../../src/ports/sessions.ts";
import type { Clock } from "../../src/ports/system.ts";
import { epochMs, FakeClock } from "../support/fake-clock.ts";

/** Opens an empty backend and cleans up in `t.after`. */
export type OpenBackend = (t: TestContext, clock: Clock) => Promise<Backend>;

/** Backend of one test, with its clock and signal. */
export interface Fixture {
  readonly backend: Backend;
  readonly clock: FakeClock;
  /** Aborted when the test ends. */
  readonly signal: AbortSignal;
}

/** Opens an empty backend that is closed when the test ends. */
export async function openFixture(t: TestContext, open: OpenBackend): Promise<Fixture> {
  const clock = new FakeClock();
  const backend = await open(t, clock);
  const controller = new AbortController();
  t.after(async () => {
    controller.abort();
    await backend.upkeep.close();
  });
  return { backend, clock, signal: controller.signal };
}

export const recordOf = (name: string, revision = 1): SessionRecord => create(SessionRecordSchema, { name, revision });

let ids = 0;

/** Creates an event with a unique id. */
export function eventOf(session: string, name = "session.status"): Event {
  ids += 1;
  const id = `evt_${String(ids).padStart(26, "0")}`;
  return create(EventSchema, { id, session, name, time: timestampFromMs(epochMs) });
}

/** Creates an event to be delivered to these endpoints. */
export const newEvent = (session: string, ...endpointIds: string[]): NewEvent => ({
  event: eventOf(session),
  endpointIds,
});

export const endpointOf = (id: string, url = `http://receiver.test/${id}`): Endpoint =>
  create(EndpointSchema, { id, config: { url, events: ["*"] } });

export const pairingOf = (value: string): Pairing => ({
  value,
  serial: 1,
  remaining: 5,
  issuedAtMs: epochMs,
  expiresAtMs: epochMs + 60_000,
});

/** Acquires a session and commits its record with this many events, each delivered to all endpoints. */
export async function createSession(backend: Backend, name: string, endpointIds: string[] = [], events = 0) {
  const lease = await backend.sessions.acquire(name);
  const logged = await backend.sessions.commit(lease, {
    record: recordOf(name),
    events: Array.from({ length: events }, () => newEvent(name, ...endpointIds)),
    endpoints: endpointIds.map((id) => endpointOf(id)),
  });
  return { lease, events: logged };
}

/** Reads an iterable one item at a time. */
export class Reader<T> {
  readonly #iterator: AsyncIterator<T>;

  constructor(iterable: AsyncIterable<T>) {
    this.#iterator = iterable[Symbol.asyncIterator]();
  }

  async next(): Promise<T> {
    const result = await this.#iterator.next();
    assert.ok(!result.done, "the iterable has ended");
    return result.value;
  }

  async take(count: number): Promise<T[]> {
    const values: T[] = [];
    while (values.length < count) values.push(await this.next());
    return values;
  }

  /** Resolves when the iterable ends; fails on a further item. */
  async end(): Promise<void> {
    const result = await this.#iterator.next();
    assert.ok(result.done, "the iterable goes on");
  }
}

/** Returns all events of the log. */
export async function history(backend: Backend, session?: string): Promise<Event[]> {
  const { seq } = await backend.sessions.list();
  const marker = await createSession(backend, "history.marker", [], 1);
  const controller = new AbortController();
  const events: Event[] = [];
  for await (const event of backend.log.events(undefined, 0n, controller.signal)) {
    if (event.seq === marker.events[0]?.seq) break;
    if (event.seq <= seq && (session === undefined || event.session === session)) events.push(event);
  }
  return events;
}

/** Waits until everything under way has arrived. */
export async function quiet(backend: Backend): Promise<void> {
  for (let round = 0; round < 5; round += 1) {
    await backend.upkeep.check();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Observes a promise without waiting for it. */
export function arrival<T>(promise: Promise<T>): { arrived: boolean; promise: Promise<T> } {
  const state = { arrived: false, promise };
  promise.then(
    () => {
      state.arrived = true;
    },
    () => {},
  );
  return state;
}

/** Returns the seq of a claim's event. */
export const seqOf = (claim: Claim): bigint => claim.delivery.event?.seq ?? 0n;
