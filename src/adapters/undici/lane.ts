import { Agent, type buildConnector, Client, type Dispatcher, Pool } from "undici";

/** A keep-alive connection. */
export interface ReusedConnection {
  /** Marks the connection as used. Returns whether it was used before. */
  use(): boolean;
}

/** A handler that learns the connection of its request before the request starts. */
export interface ConnectionAware extends Dispatcher.DispatchHandler {
  onConnectionChosen(connection: ReusedConnection): void;
}

/** Two dispatchers that reach the same receivers. */
export interface Lane {
  /** Dispatcher over keep-alive connections. */
  readonly reused: Dispatcher;
  /** Dispatcher that opens a connection per request. */
  readonly fresh: Dispatcher;
  /** Ends all connections. Requests in flight fail. */
  close(): Promise<void>;
}

/** Creates a lane with at most `connections` concurrent connections per origin and dispatcher. */
export function createLane(connect: buildConnector.connector, connections: number): Lane {
  const options = {
    connections,
    // Over HTTP/2, attempts to a receiver would share a connection and fail together.
    allowH2: false,
    // The attempt's own timeout bounds everything.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect,
  };
  const reused = new Agent({
    ...options,
    pipelining: 1,
    factory: (origin, given) => new Pool(origin, { ...given, factory: (url, each) => new ReusingClient(url, each) }),
  });
  const fresh = new Agent({ ...options, pipelining: 0 });
  return {
    reused,
    fresh,
    async close() {
      await Promise.all([reused.destroy(), fresh.destroy()]);
    },
  };
}

/** A client that passes its connection to handlers. */
class ReusingClient extends Client implements ReusedConnection {
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
