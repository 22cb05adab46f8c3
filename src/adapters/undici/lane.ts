import { Agent, type buildConnector, Client, type Dispatcher, Pool } from "undici";

/** A connection that carries one request after another. */
export interface KeptConnection {
  /** Returns whether it has carried a request before, and counts this one. */
  use(): boolean;
}

/** A handler that is told which connection its request is to go out on, before it begins. */
export interface ConnectionAware extends Dispatcher.DispatchHandler {
  onConnectionChosen(connection: KeptConnection): void;
}

/** Two ways to the same receivers. */
export interface Lane {
  /** Over connections that are kept for later requests. */
  readonly kept: Dispatcher;
  /** Each request over a connection of its own. */
  readonly fresh: Dispatcher;
  /** Ends all connections; what is under way fails. */
  close(): Promise<void>;
}

/** Returns a lane with at most `connections` connections to one origin at a time each way. */
export function createLane(connect: buildConnector.connector, connections: number): Lane {
  const options = {
    connections,
    // One attempt to a connection: over HTTP/2 those to one receiver would share a fate.
    allowH2: false,
    // The attempt's own time bounds the whole.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect,
  };
  const kept = new Agent({
    ...options,
    pipelining: 1,
    factory: (origin, given) => new Pool(origin, { ...given, factory: (url, each) => new KeptClient(url, each) }),
  });
  const fresh = new Agent({ ...options, pipelining: 0 });
  return {
    kept,
    fresh,
    async close() {
      await Promise.all([kept.destroy(), fresh.destroy()]);
    },
  };
}

/** A client that shows handlers its connection. */
class KeptClient extends Client implements KeptConnection {
  #isUsed = false;

  constructor(url: URL, options: Client.Options) {
    super(url, options);
    this.on("connect", () => {
      this.#isUsed = false;
    });
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (isConnectionAware(handler)) handler.onConnectionChosen(this);
    return super.dispatch(options, handler);
  }

  use(): boolean {
    const wasUsed = this.#isUsed;
    this.#isUsed = true;
    return wasUsed;
  }
}

const isConnectionAware = (handler: Dispatcher.DispatchHandler): handler is ConnectionAware =>
  "onConnectionChosen" in handler;
