import type { Endpoint, EndpointHealth } from "../../../gen/sessiond/store/v1/store_pb.js";

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

  /** Names of the sessions that have endpoints. */
  get sessions(): string[] {
    return [...this.#sessions.keys()];
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

  /** Forgets the endpoints of a session. */
  forget(session: string): void {
    this.#sessions.delete(session);
  }

  /** Replaces all endpoints by those of `other`. */
  replaceWith(other: Endpoints): void {
    this.#sessions.clear();
    for (const [session, endpoints] of other.#sessions) this.#sessions.set(session, endpoints);
  }

  /** Sets the health of an endpoint, if it exists. */
  setHealth(name: EndpointName, health: EndpointHealth | undefined): Endpoint | undefined {
    const endpoint = this.get(name);
    if (!endpoint) return undefined;
    const changed = withHealth(endpoint, health);
    this.set(name.session, changed);
    return changed;
  }

  /** Returns the health that an endpoint takes over from its predecessor of the same URL. */
  #healthOf(session: string, { id, config }: Endpoint, enables: boolean): EndpointHealth | undefined {
    const before = this.get({ session, endpointId: id });
    if (before?.config?.url !== config?.url || (enables && before?.health?.disabledAt)) return undefined;
    return before?.health;
  }

  /**
   * Returns the changes that make `named` the session's endpoints; the others are marked removed. With
   * `enables`, disabled ones are enabled again.
   */
  changesTo(session: string, named: readonly Endpoint[], enables = false): Endpoint[] {
    const ids = new Set(named.map((endpoint) => endpoint.id));
    const dropped = this.of(session).filter((endpoint) => !endpoint.removed && !ids.has(endpoint.id));
    return [
      ...named.map((endpoint) =>
        withHealth({ ...endpoint, removed: false }, this.#healthOf(session, endpoint, enables)),
      ),
      ...dropped.map((endpoint) => ({ ...endpoint, removed: true })),
    ];
  }
}

function withHealth(endpoint: Endpoint, health: EndpointHealth | undefined): Endpoint {
  const { health: _, ...rest } = endpoint;
  return health ? { ...rest, health } : rest;
}
