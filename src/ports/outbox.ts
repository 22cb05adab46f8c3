import type { Delivery, Endpoint, EndpointHealth } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import type { WebhookAttempt, WebhookDelivery_State } from "../../gen/sessiond/v1/webhook_pb.js";
import type { DeliveryName } from "../domain/delivery.ts";

/** An event and the endpoints (of the session's own) it is to be delivered to. Its `seq` is given by the write. */
export interface NewEvent {
  readonly event: Event;
  readonly endpointIds: readonly string[];
}

/** What is to be remembered of an attempt, written together with its settlement. */
export interface AttemptReport {
  /** Added to the delivery's log. */
  readonly attempt?: WebhookAttempt;
  /** How the endpoint fares from now on; null: well. Left out: as before. */
  readonly health?: EndpointHealth | null;
  /** Logged as by `append`. */
  readonly events?: readonly NewEvent[];
}

/** One due delivery, held until it is settled by exactly one of its three calls. A crash settles nothing: it is due again. */
export interface Claim {
  readonly delivery: Delivery;
  /** As it is when asked for, not when the claim was made. */
  readonly endpoint: Endpoint;
  /** Delivered: it is pending no more. */
  done(report?: AttemptReport): Promise<void>;
  /** Counts the attempt and makes it due again after `delayMs`. */
  retry(delayMs: number, report?: AttemptReport): Promise<void>;
  /** Gives it up, saying why. */
  giveUp(reason: string, report?: AttemptReport): Promise<void>;
}

/** Which of a session's deliveries are asked for. */
export interface DeliveryQuery {
  readonly state?: WebhookDelivery_State;
  readonly endpointId?: string;
  /** Only older ones than this. */
  readonly before?: DeliveryName;
  readonly limit: number;
}

/** How much is pending. */
export interface QueueStats {
  /** Not tried yet. */
  readonly pending: number;
  /** To be tried again. */
  readonly retrying: number;
  /** When the oldest event happened that waits for its first attempt (Unix ms), as far as it is known without reading. */
  readonly oldestMs: number | undefined;
}

/** What is kept when no more is pending: how many of each kind a session keeps at most, and for how long. */
export interface Limits {
  readonly maxCount: number;
  readonly maxAgeMs: number;
}

/** How long things are kept; trimmed in the background. */
export interface Retention {
  readonly events: Limits;
  readonly delivered: Limits;
  readonly failed: Limits;
}

/** Deliveries of webhooks: those pending, and what became of the others. */
export interface Outbox {
  /**
   * Due deliveries. First attempts for one session and endpoint come in `seq` order, the next one when the one before is settled;
   * no endpoint waits for another. Nothing comes for an endpoint before its health's `spared_until`, and after that one at a time
   * for as long as it is set. Endpoints that were slow or failed when last tried share a part of what is in flight.
   * Reading on means room for one more in flight. Ends by `signal`, or with the backend.
   */
  claims(signal: AbortSignal): AsyncIterable<Claim>;
  /** Logs events of a session that change nothing about it, with their deliveries, under no lease. Nothing for a session there is not, and none to endpoints there are not. */
  append(session: string, events: readonly NewEvent[]): Promise<Event[]>;

  /** A session's endpoints, removed ones with something pending included. */
  endpoints(session: string): Promise<Endpoint[]>;
  /** Says how an endpoint fares; undefined if there is none. */
  setHealth(session: string, endpointId: string, health: EndpointHealth | undefined): Promise<Endpoint | undefined>;

  /** Deliveries, newest event first. A session that is gone keeps none but those pending. */
  deliveries(session: string, query: DeliveryQuery): Promise<Delivery[]>;
  /** One delivery; undefined if it is not kept, or never was. */
  delivery(session: string, name: DeliveryName): Promise<Delivery | undefined>;
  /** Makes settled deliveries due again at once, with all their retries before them; returns those that could be: their endpoint and their event are still there. */
  resend(session: string, names: readonly DeliveryName[]): Promise<Delivery[]>;

  queueStats(): QueueStats;
}
