import { EventEmitter } from "node:events";
import type { Agent } from "node:https";
import { HttpsProxyAgent } from "https-proxy-agent";
import { SocksProxyAgent } from "socks-proxy-agent";
import { type Dispatcher, Dispatcher1Wrapper, ProxyAgent, Socks5ProxyAgent } from "undici";
import type { ProxyConfig } from "../../../gen/sessiond/v1/session_pb.js";
import { AddressAttempts } from "./address-attempts.ts";
import { refusalBy, refusedWith } from "./proxy-refusal.ts";

/** A session's proxy in the forms that Baileys takes. */
export interface SessionProxy {
  /** "host:port", for messages. */
  readonly name: string;
  /** For the WebSocket and for uploads. Fails with ProxyRefusal where the proxy answers but makes no tunnel. */
  readonly agent: Agent;
  /** For downloads with `fetch`; created on first use. */
  readonly dispatcher: Dispatcher;
  /** The proxy's addresses at which the last connection was tried. */
  readonly attempts: AddressAttempts;
  /** True if the proxy is being asked for a tunnel. */
  readonly isAsked: boolean;
  /** Gives up connections to the proxy that are not through. */
  close(): void;
}

const socksScheme = "socks5://";

/** Opens a session's configured proxy: "host:port" speaks HTTP, "socks5://host:port" SOCKS 5. Throws if the address is invalid. */
export function openProxy({ server, username, password }: ProxyConfig): SessionProxy {
  const isSocks = server.startsWith(socksScheme);
  const name = isSocks ? server.slice(socksScheme.length) : server;
  // socks5h: the proxy looks up WhatsApp's name, not this machine.
  const url = new URL(`${isSocks ? "socks5h" : "http"}://${name}`);
  url.username = encodeURIComponent(username ?? "");
  url.password = encodeURIComponent(password ?? "");
  const closing = new AbortController();
  // Each waiting connection adds a listener, and there may be many.
  EventEmitter.setMaxListeners(0, closing.signal);
  const agent = isSocks ? socksAgent(url) : new HttpsProxyAgent(url, { signal: closing.signal });
  const attempts = new AddressAttempts();
  let asking = 0;
  let dispatcher: Dispatcher | undefined;
  const connect = agent.connect.bind(agent);
  agent.connect = async (request, options) => {
    let status = 200;
    request.once("proxyConnect", ({ statusCode }: { statusCode: number }) => {
      status = statusCode;
    });
    asking += 1;
    try {
      const socket = await attempts.during(() => connect(request, options));
      if (status === 200) return socket;
      // The library would pass the proxy's answer on as WhatsApp's.
      socket.destroy();
      throw refusedWith(status, Boolean(username || password));
    } catch (error) {
      throw attempts.connected ? refusalBy(error) : error;
    } finally {
      asking -= 1;
    }
  };
  return {
    name,
    agent: agent as unknown as Agent,
    get dispatcher() {
      dispatcher ??= dispatcherOf(isSocks, url, username, password);
      return dispatcher;
    },
    attempts,
    get isAsked() {
      return asking > 0;
    },
    close() {
      closing.abort();
      agent.destroy();
      void dispatcher?.destroy().catch(() => {});
    },
  };
}

/** Removes the brackets of an IPv6 address in the URL, which the library cannot connect to. */
function socksAgent(url: URL): SocksProxyAgent {
  const agent = new SocksProxyAgent(url);
  agent.proxy.host = url.hostname.replace(/^\[|\]$/g, "");
  return agent;
}

/** Node's own `fetch` calls dispatchers by the handlers of undici 7; the wrapper translates. */
function dispatcherOf(isSocks: boolean, url: URL, username = "", password = ""): Dispatcher {
  if (isSocks) return new Dispatcher1Wrapper(new Socks5ProxyAgent(`socks5://${url.host}`, { username, password }));
  const token = url.username || url.password ? { token: basicAuthorization(username, password) } : {};
  return new Dispatcher1Wrapper(new ProxyAgent({ uri: `http://${url.host}`, proxyTunnel: true, ...token }));
}

const basicAuthorization = (username: string, password: string) =>
  `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
