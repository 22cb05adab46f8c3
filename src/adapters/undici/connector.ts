import type { LookupAddress } from "node:dns";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { buildConnector } from "undici";
import type { Clock } from "../../ports/system.ts";
import { type Connecting, connectToFirst } from "./address-race.ts";
import { type FindAddresses, withoutBrackets } from "./ssrf-guard.ts";

/** Timeout of a connection attempt to an address, and of a TLS handshake. */
export const connectTimeoutMs = 10_000;

/** Options for connectors. */
export interface ConnectorOptions {
  readonly clock: Pick<Clock, "schedule">;
  /** TLS options. */
  readonly tls?: buildConnector.BuildOptions;
  /** Ends connection attempts. */
  readonly signal: AbortSignal;
}

/** Returns a connector that connects to the host directly, over TLS for https. */
export function directConnector(find: FindAddresses, options: ConnectorOptions): buildConnector.connector {
  const secure = tlsConnector(options);
  return (target, callback) => {
    const host = withoutBrackets(target.hostname);
    const port = Number(target.port || (target.protocol === "https:" ? 443 : 80));
    const connected = find(host).then((addresses) =>
      connectToFirst(addresses, (address) => openTcp(address, port, options), options.clock),
    );
    connected.then(
      (httpSocket) => {
        const { servername, ...rest } = target;
        // A server name must not be an address (RFC 6066).
        const named = servername && isIP(servername) === 0 ? { servername } : {};
        if (target.protocol === "https:") secure({ ...rest, ...named, httpSocket }, callback);
        else callback(null, httpSocket);
      },
      (error: Error) => callback(error, null),
    );
  };
}

/** Returns a connector that starts TLS on the connection in `httpSocket`. */
export function tlsConnector({ tls, signal }: ConnectorOptions): buildConnector.connector {
  return buildConnector({ timeout: connectTimeoutMs, allowH2: false, ...tls, signal });
}

function openTcp({ address: host, family }: LookupAddress, port: number, options: ConnectorOptions): Connecting {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const { clock, signal } = options;
  const keeping = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000, highWaterMark: 64 * 1024 };
  const socket = connectTcp({ host, port, family, signal, ...keeping });
  const cancelTimeout = clock.schedule(connectTimeoutMs, () =>
    socket.destroy(Object.assign(new Error("connecting timed out"), { code: "ETIMEDOUT" })),
  );
  socket
    .once("connect", () => {
      cancelTimeout();
      resolve(socket);
    })
    // Stays attached: an error before undici listens would be uncaught.
    .on("error", (error) => {
      cancelTimeout();
      reject(error);
    });
  return {
    socket: promise,
    cancel() {
      cancelTimeout();
      socket.destroy();
    },
  };
}
