import type { ProxyPool } from "../domain/proxy.ts";
import type { Reader } from "./environment.ts";
import { ConfigError } from "./kinds.ts";

const loginNames = ["WHATSAPP_PROXY_SERVER_USERNAME", "WHATSAPP_PROXY_SERVER_PASSWORD"] as const;

/** Returns the proxies of sessions that configure none. Throws ConfigError for a login without a proxy. */
export function proxiesOf(read: Reader): ProxyPool {
  const server = read.get("WHATSAPP_PROXY_SERVER");
  const list = read.get("WHATSAPP_PROXY_SERVER_LIST");
  const servers = list.length === 0 && server !== undefined ? [server] : list;
  const [username, password] = loginNames.map((name) => {
    if (read.has(name) && servers.length === 0) {
      throw new ConfigError(`${name} is set, but neither WHATSAPP_PROXY_SERVER nor WHATSAPP_PROXY_SERVER_LIST is`);
    }
    return read.get(name);
  });
  return { servers, username, password, indexPrefix: read.get("WHATSAPP_PROXY_SERVER_INDEX_PREFIX") };
}
