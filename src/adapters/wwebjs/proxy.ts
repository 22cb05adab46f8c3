import type { ProxyConfig } from "../../../gen/sessiond/v1/session_pb.js";
import { EngineEnd } from "../engine/close-cause.ts";

/** A session's proxy in the form that Chromium takes. */
export interface BrowserProxy {
  readonly args: readonly string[];
  /** The page's credentials for the proxy. */
  readonly login: { readonly username: string; readonly password: string } | undefined;
}

/** Converts a session's proxy: "host:port" speaks HTTP, "socks5://host:port" SOCKS 5. Throws EngineEnd for SOCKS with credentials. */
export function browserProxy({ server, username, password }: ProxyConfig): BrowserProxy {
  const isSocks = server.startsWith("socks5://");
  const login = username || password ? { username: username ?? "", password: password ?? "" } : undefined;
  if (isSocks && login) {
    const message = "Chromium cannot log in at a SOCKS proxy; an HTTP proxy, or one without a password, is needed";
    throw new EngineEnd({ cause: "rejected", message });
  }
  return {
    args: [
      `--proxy-server=${isSocks ? server : `http://${server}`}`,
      "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    ],
    login,
  };
}
