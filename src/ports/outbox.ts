import type { Delivery, Endpoint, EndpointHealth } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import type { WebhookAttempt, WebhookDelivery_State } from "../../gen/sessiond/v1/webhook_pb.js";
import type { DeliveryName } from "../domain/delivery.ts";

/** An event and the ids of the session's endpoints that it goes to. The write assigns its `seq`. */
export interface NewEvent {
  readonly event: Event;
  readonly endpointIds: readonly string[];
}

/** The result of an attempt, written together with its settlement. */
export interface AttemptReport {
  /** Added to the delivery's log. */
  readonly attempt?: WebhookAttempt;
  /** The endpoint's health from now on; null: healthy. Left out: unchanged. */
  readonly health?: EndpointHealth | null;
  /** Logged as by `append`. */
  readonly events?: readonly NewEvent[];
}

/** One due delivery, held until exactly one of its three calls settles it. After a crash it is due again. */
export interface Claim {
  readonly delivery: Delivery;
  /** The endpoint at the time of the call, not of the claim. */
  readonly endpoint: Endpoint;
  /** Settles it as delivered. */
  done(report?: AttemptReport): Promise<void>;
  /** Counts the attempt and makes the delivery due again after `delayMs`. */
  retry(delayMs: number, report?: AttemptReport): Promise<void>;
  /** Settles it as failed, for this reason. */
  giveUp(reason: string, report?: AttemptReport): Promise<void>;
}

/** A filter on a session's deliveries. */
export interface DeliveryQuery {
  readonly state?: WebhookDelivery_State;
  readonly endpointId?: string;
  /** Only deliveries older than this one. */
  readonly before?: DeliveryName;
  readonly limit: number;
}

/** The size of the queue of pending deliveries. */
export interface QueueStats {
  /** Number of deliveries never attempted. */
  readonly pending: number;
  /** Number of deliveries to be retried. */
  readonly retrying: number;
  /** Unix time (ms) of the oldest event that waits for its first attempt, as far as it is known without reading the store. */
  readonly oldestMs: number | undefined;
}

/** Deliveries of webhooks, pending and settled, and their endpoints. */
export interface Outbox {
  /**
   * Yields due deliveries. First attempts for one session and endpoint come in `seq` order, each once the previous one is settled;
   * no endpoint waits for another. Nothing comes for an endpoint before its health's `spared_until`, and after that one at a time
   * for as long as it is set. Endpoints that were slow or failed when last tried share a part of the slots in flight.
   * Asking for the next claim means room for one more in flight. Ends by `signal`, or with the backend.
   */
  claims(signal: AbortSignal): AsyncIterable<Claim>;
  /** Logs events of a session that leave its record as it is, with their deliveries, without a lease. Skips a session or an endpoint that does not exist. */
  append(session: string, events: readonly NewEvent[]): Promise<Event[]>;

  /** Returns a session's endpoints, including removed ones that have pending deliveries. */
  endpoints(session: string): Promise<Endpoint[]>;
  /** Sets the health of an endpoint; undefined stands for healthy. Returns the endpoint; undefined if there is none. */
  setHealth(session: string, endpointId: string, health: EndpointHealth | undefined): Promise<Endpoint | undefined>;

  /** Returns deliveries, newest event first. Of a removed session only pending ones are kept. */
  deliveries(session: string, query: DeliveryQuery): Promise<Delivery[]>;
  /** Returns the sessions that have deliveries in a state, by name. Its cost grows with them, not with their deliveries. */
  sessionsWith(state: WebhookDelivery_State): Promise<string[]>;
  /** Returns one delivery; undefined if it does not exist or was trimmed. */
  delivery(session: string, name: DeliveryName): Promise<Delivery | undefined>;
  /** Makes settled deliveries due again at once, with all their retries. Returns those whose endpoint and event still exist. */
  resend(session: string, names: readonly DeliveryName[]): Promise<Delivery[]>;

  /** Returns the size of the queue, over all sessions. */
  queueStats(): Promise<QueueStats>;
}
