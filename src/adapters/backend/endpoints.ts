import type { Endpoint } from "../../../gen/sessiond/store/v1/store_pb.js";

/** One session's endpoint. */
export interface EndpointName {
  readonly session: string;
  readonly endpointId: string;
}

/** All endpoints known, removed ones with pending deliveries included. */
export class Endpoints {
  readonly #sessions = new Map<string, Map<string, Endpoint>>();

  get({ session, endpointId }: EndpointName): Endpoint | undefined {
    return this.#sessions.get(session)?.get(endpointId);
  }

  /** A session's endpoints. */
  of(session: string): Endpoint[] {
    return [...(this.#sessions.get(session)?.values() ?? [])];
  }

  set(session: string, endpoint: Endpoint): void {
    const endpoints = this.#sessions.get(session) ?? new Map<string, Endpoint>();
    this.#sessions.set(session, endpoints.set(endpoint.id, endpoint));
  }

  delete({ session, endpointId }: EndpointName): void {
    const endpoints = this.#sessions.get(session);
    if (endpoints?.delete(endpointId) && endpoints.size === 0) this.#sessions.delete(session);
  }

  /** What changes when a session's endpoints are to be those named: they are put in place, the others marked removed. */
  changesTo(session: string, named: readonly Endpoint[]): Endpoint[] {
    const ids = new Set(named.map((endpoint) => endpoint.id));
    const dropped = this.of(session).filter((endpoint) => !endpoint.removed && !ids.has(endpoint.id));
    return [
      ...named.map((endpoint) => ({ ...endpoint, removed: false })),
      ...dropped.map((endpoint) => ({ ...endpoint, removed: true })),
    ];
  }
}
