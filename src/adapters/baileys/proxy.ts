import { EventEmitter } from "node:events";
import type { Agent } from "node:https";
import { HttpsProxyAgent } from "https-proxy-agent";
import { SocksProxyAgent } from "socks-proxy-agent";
import { type Dispatcher, Dispatcher1Wrapper, ProxyAgent, Socks5ProxyAgent } from "undici";
import type { ProxyConfig } from "../../../gen/sessiond/v1/session_pb.js";

/** A session's proxy in the forms Baileys takes it. */
export interface SessionProxy {
  /** "host:port", for messages. */
  readonly name: string;
  /** For the WebSocket and for uploads. */
  readonly agent: Agent;
  /** For downloads with `fetch`; made when it is first needed. */
  readonly dispatcher: Dispatcher;
  /** Gives up connections to the proxy that are not through yet. */
  close(): void;
}

const socksScheme = "socks5://";

/** The proxy a session is configured with: "host:port" speaks HTTP, "socks5://host:port" SOCKS 5. Throws if that is no address. */
export function proxyOf({ server, username, password }: ProxyConfig): SessionProxy {
  const isSocks = server.startsWith(socksScheme);
  const name = isSocks ? server.slice(socksScheme.length) : server;
  // socks5h: the proxy looks up WhatsApp's name, not this machine.
  const url = new URL(`${isSocks ? "socks5h" : "http"}://${name}`);
  url.username = encodeURIComponent(username ?? "");
  url.password = encodeURIComponent(password ?? "");
  const closing = new AbortController();
  // A destroyed socket reports the abort as an error to whoever waits for it, and there may be many.
  EventEmitter.setMaxListeners(0, closing.signal);
  const agent = isSocks ? new SocksProxyAgent(url) : new HttpsProxyAgent(url, { signal: closing.signal });
  let dispatcher: Dispatcher | undefined;
  return {
    name,
    agent: agent as unknown as Agent,
    get dispatcher() {
      dispatcher ??= dispatcherOf(isSocks, url, username, password);
      return dispatcher;
    },
    close() {
      closing.abort();
      agent.destroy();
      void dispatcher?.destroy().catch(() => {});
    },
  };
}

/** Node's own `fetch` drives dispatchers by the handlers of undici 7; the wrapper translates. */
function dispatcherOf(isSocks: boolean, url: URL, username = "", password = ""): Dispatcher {
  if (isSocks) return new Dispatcher1Wrapper(new Socks5ProxyAgent(`socks5://${url.host}`, { username, password }));
  const token = url.username || url.password ? { token: basicAuthorization(username, password) } : {};
  return new Dispatcher1Wrapper(new ProxyAgent({ uri: `http://${url.host}`, proxyTunnel: true, ...token }));
}

const basicAuthorization = (username: string, password: string) =>
  `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
