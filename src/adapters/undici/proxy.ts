import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type buildConnector, Pool } from "undici";
import { type ConnectorOptions, connectTimeoutMs, tlsConnector } from "./connector.ts";
import { describeFailure, ProxyFailure } from "./failure.ts";
import type { ChooseProxy, HttpProxy } from "./proxy-rules.ts";

/** Options for tunnels. */
export interface TunnelOptions extends ConnectorOptions {
  readonly choose: ChooseProxy;
  /** Connector to the proxies. */
  readonly toProxy: buildConnector.connector;
}

/** A connector through proxies, with the end of its connections to them. */
export interface TunnelConnector {
  readonly connect: buildConnector.connector;
  close(): Promise<void>;
}

/** Returns a connector to proxies whose errors name the proxy. */
export function proxyConnector(toProxy: buildConnector.connector): buildConnector.connector {
  return (target, callback) =>
    toProxy(target, (...[error, socket]) => {
      if (error === null) return callback(null, socket);
      const port = target.port || (target.protocol === "https:" ? "443" : "80");
      const name = target.host?.replace(/:\d+$/, "") ?? target.hostname;
      callback(new ProxyFailure(`${name}:${port}`, `cannot be used: ${describeFailure(error)}`), null);
    });
}

/**
 * Returns a connector that tunnels through the proxy of an https origin by CONNECT (RFC 9110, section 9.3.6), or uses `direct` if it
 * has none. `admits` rejects hosts that may not be reached through a proxy.
 */
export function tunnelConnector(
  direct: buildConnector.connector,
  admits: (host: string) => Promise<void>,
  { choose, toProxy, ...options }: TunnelOptions,
): TunnelConnector {
  const secure = tlsConnector(options);
  const pools = new Map<HttpProxy, Pool>();
  const poolOf = (proxy: HttpProxy): Pool => {
    const pool = pools.get(proxy) ?? new Pool(proxy.origin, { connect: proxyConnector(toProxy), allowH2: false });
    pools.set(proxy, pool);
    return pool;
  };
  const connect: buildConnector.connector = (target, callback) => {
    const proxy = target.protocol === "https:" && choose(new URL(`https://${target.host}`));
    if (!proxy) return direct(target, callback);
    const opened = admits(target.hostname).then(() => openTunnel(poolOf(proxy), proxy, target, options));
    opened.then(
      (httpSocket) => secure({ ...target, httpSocket }, callback),
      (error: Error) => callback(error, null),
    );
  };
  return {
    connect,
    async close() {
      await Promise.all(Array.from(pools.values(), (pool) => pool.destroy()));
    },
  };
}

const hints = new Map([[407, ": its URL needs the user and password that it asks for"]]);

/** Returns the failure for a refusal by the proxy. */
export const proxyRefusal = ({ shown }: HttpProxy, status: number, request: string): ProxyFailure =>
  new ProxyFailure(shown, `answered ${status} to ${request}${hints.get(status) ?? ""}`);

async function openTunnel(
  pool: Pool,
  proxy: HttpProxy,
  { hostname, port }: buildConnector.Options,
  { clock }: Pick<ConnectorOptions, "clock">,
): Promise<Socket> {
  const { shown, authorization } = proxy;
  const path = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port || 443}`;
  const limit = new AbortController();
  const cancel = clock.schedule(connectTimeoutMs, () => limit.abort());
  try {
    const headers = { host: path, ...(authorization && { "proxy-authorization": authorization }) };
    const { statusCode, socket } = await pool.connect({ path, headers, signal: limit.signal });
    if (statusCode >= 200 && statusCode < 300) return asSocket(socket);
    socket.on("error", () => {}).destroy();
    throw proxyRefusal(proxy, statusCode, "CONNECT");
  } catch (error) {
    if (limit.signal.aborted) throw new ProxyFailure(shown, `did not answer within ${connectTimeoutMs / 1000} s`);
    throw error instanceof ProxyFailure ? error : new ProxyFailure(shown, `did not connect: ${describeFailure(error)}`);
  } finally {
    cancel();
  }
}

/** Returns a tunnel as a socket, which it is over HTTP/1.1. */
function asSocket(duplex: Duplex): Socket {
  if (duplex instanceof Socket) return duplex;
  throw new TypeError("the tunnel is not a socket");
}
