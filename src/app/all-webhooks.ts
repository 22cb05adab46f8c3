import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Delivery, Endpoint } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  WebhookDelivery_State as DeliveryState,
  WebhookEndpoint_State as EndpointState,
} from "../../gen/sessiond/v1/webhook_pb.js";
import { maskUrl } from "../domain/config.ts";
import type { DeliveryName } from "../domain/delivery.ts";
import { endpointStateOf } from "../domain/endpoint-health.ts";
import { invalidArgument, sessionNotFound } from "../domain/errors.ts";
import { type Page, type PageRequest, pageOf } from "../domain/page-token.ts";
import type { Backend } from "../ports/backend.ts";
import { NewestFirst } from "./newest-first.ts";
import { type DeliveryWithEndpoint, deliveryNameIn, isUsable } from "./webhook-log.ts";

/** A filter on endpoints. */
export interface EndpointFilter {
  /** "": of all sessions. */
  readonly session: string;
  /** Part of the URL, in any case; "": any. */
  readonly url: string;
  readonly state: EndpointState;
}

/** A filter on deliveries. */
export interface DeliveryFilter {
  /** "": of all sessions. */
  readonly session: string;
  readonly url: string;
  /** "": any. */
  readonly endpointId: string;
  readonly state: DeliveryState;
  /** Earliest time of the event (Unix ms); 0: any. */
  readonly sinceMs: number;
}

/** An endpoint and its session. */
export interface SessionEndpoint {
  readonly session: string;
  readonly endpoint: Endpoint;
}

/** Which failed deliveries to send again. */
export interface ResendFilter extends Pick<DeliveryFilter, "session" | "url" | "endpointId"> {
  /** Earliest time of giving up (Unix ms); 0: any. */
  readonly sinceMs: number;
}

const everyState = [DeliveryState.PENDING, DeliveryState.RETRYING, DeliveryState.DELIVERED, DeliveryState.FAILED];

/** Failed deliveries that are made due again in one write. */
const resendBatch = 100;

/** The endpoints and deliveries of one session or of all. Rejects with SessionError for reasons that a caller can understand. */
export class AllWebhooks {
  readonly #backend: Pick<Backend, "sessions" | "outbox">;

  constructor(backend: Pick<Backend, "sessions" | "outbox">) {
    this.#backend = backend;
  }

  /** Returns a page of endpoints by session, and the number of all that match. */
  async endpoints(filter: EndpointFilter, page: PageRequest): Promise<Page<SessionEndpoint> & { totalSize: number }> {
    const { state } = filter;
    const isWanted = ({ endpoint }: SessionEndpoint) =>
      state === EndpointState.STATE_UNSPECIFIED || endpointStateOf(endpoint) === state;
    const found = (await this.#endpointsOf(filter)).filter(isWanted);
    const place = ({ session, endpoint }: SessionEndpoint) => `${session} ${endpoint.id}`;
    found.sort((a, b) => (place(a) < place(b) ? -1 : 1));
    return { ...pageOf(found, place, page, filter), totalSize: found.length };
  }

  /** Returns a page of deliveries, newest event first. */
  async deliveries(filter: DeliveryFilter, { pageSize, pageToken }: PageRequest) {
    const before = pageToken === "" ? undefined : placeOf(pageToken);
    const endpoints = await this.#endpointsOf(filter);
    const bySession = Map.groupBy(endpoints, ({ session }) => session);
    const sources = filter.session === "" ? await this.#sources(filter.state) : [filter];
    const readers = sources
      // The deliveries of endpoints that are gone are still there, but no longer have a URL.
      .filter(({ session }) => bySession.has(session) || filter.url === "")
      .map((source) => this.#reader(bySession.get(source.session) ?? [], { ...filter, ...source }, before));
    const newest = new NewestFirst(readers, ({ delivery }) => deliveryNameIn(delivery));
    const found = await newest.take(pageSize + 1);
    const deliveries = found.slice(0, pageSize);
    const last = found.length > pageSize ? deliveries.at(-1) : undefined;
    return { deliveries, nextPageToken: last ? tokenOf(last.delivery) : "" };
  }

  /** Returns the sessions to read, each with a state in which it has deliveries: most sessions have none that failed or wait. */
  async #sources(wanted: DeliveryState): Promise<Pick<DeliveryFilter, "session" | "state">[]> {
    const states = wanted === DeliveryState.STATE_UNSPECIFIED ? everyState : [wanted];
    const found = states.map(async (state) => {
      const sessions = await this.#backend.outbox.sessionsWith(state);
      return sessions.map((session) => ({ session, state }));
    });
    return (await Promise.all(found)).flat();
  }

  /** Makes failed deliveries due again whose endpoints are in use; returns their number. */
  async resendFailed({ session, url, endpointId, sinceMs }: ResendFilter): Promise<number> {
    const endpoints = await this.#endpointsOf({ session, url });
    const usable = endpoints.filter(({ endpoint }) => isUsable(endpoint));
    let resent = 0;
    for (const [name, found] of Map.groupBy(usable, (one) => one.session)) {
      const ids = new Set(found.map(({ endpoint }) => endpoint.id));
      resent += await this.#resendFailed(
        name,
        endpointId,
        (one) => ids.has(one.endpointId) && settledMs(one) >= sinceMs,
      );
    }
    return resent;
  }

  async #resendFailed(session: string, endpointId: string, isWanted: (one: Delivery) => boolean): Promise<number> {
    const { outbox } = this.#backend;
    let resent = 0;
    let before: DeliveryName | undefined;
    for (;;) {
      const page = await outbox.deliveries(session, {
        state: DeliveryState.FAILED,
        ...(endpointId && { endpointId }),
        ...(before && { before }),
        limit: resendBatch,
      });
      resent += (await outbox.resend(session, page.filter(isWanted).map(deliveryNameIn))).length;
      const last = page.at(-1);
      if (!last || page.length < resendBatch) return resent;
      before = deliveryNameIn(last);
    }
  }

  async #endpointsOf({ session, url }: Pick<EndpointFilter, "session" | "url">): Promise<SessionEndpoint[]> {
    const part = url.toLowerCase();
    const found: SessionEndpoint[] = [];
    for (const name of await this.#sessions(session)) {
      for (const endpoint of await this.#backend.outbox.endpoints(name)) {
        // A password in a URL is no more searched than it is shown.
        const isWanted =
          part === "" ||
          maskUrl(endpoint.config?.url ?? "")
            .toLowerCase()
            .includes(part);
        if (isWanted) found.push({ session: name, endpoint });
      }
    }
    return found;
  }

  async #sessions(session: string): Promise<string[]> {
    if (session === "") return (await this.#backend.sessions.list()).records.map(({ name }) => name);
    if (!(await this.#backend.sessions.get(session)).record) throw sessionNotFound(session);
    return [session];
  }

  /** Returns a function that reads the next deliveries of a session that pass the filter; an empty list at their end. */
  #reader(
    endpoints: readonly SessionEndpoint[],
    { session, state, endpointId, url, sinceMs }: DeliveryFilter,
    from: DeliveryName | undefined,
  ): (limit: number) => Promise<DeliveryWithEndpoint[]> {
    const { outbox } = this.#backend;
    const byId = new Map(endpoints.map(({ endpoint }) => [endpoint.id, endpoint]));
    let before = from;
    let isAtEnd = false;
    return async (limit) => {
      while (!isAtEnd) {
        const page = await outbox.deliveries(session, {
          state,
          ...(endpointId && { endpointId }),
          ...(before && { before }),
          limit,
        });
        const last = page.at(-1);
        isAtEnd = last === undefined || page.length < limit || eventMs(last) < sinceMs;
        before = last && deliveryNameIn(last);
        const passing = page.filter((one) => eventMs(one) >= sinceMs && (url === "" || byId.has(one.endpointId)));
        if (passing.length > 0) {
          return passing.map((delivery) => ({ session, delivery, endpoint: byId.get(delivery.endpointId) }));
        }
      }
      return [];
    };
  }
}

const settledMs = ({ settledAt }: Delivery): number => (settledAt ? timestampMs(settledAt) : 0);
const eventMs = ({ event }: Delivery): number => (event?.time ? timestampMs(event.time) : 0);

const tokenOf = (delivery: Delivery): string => {
  const { seq, endpointId } = deliveryNameIn(delivery);
  return `${seq}.${endpointId}`;
};

function placeOf(token: string): DeliveryName {
  const [, seq, endpointId] = /^(\d{1,19})\.(.+)$/.exec(token) ?? [];
  if (seq !== undefined && endpointId !== undefined) return { seq: BigInt(seq), endpointId };
  throw invalidArgument([{ field: "pageToken", description: "must be the nextPageToken of a page" }]);
}
