import { create } from "@bufbuild/protobuf";
import { SessionConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { configViolations } from "../domain/config-violations.ts";
import type { ProxyPool } from "../domain/proxy.ts";
import { ConfigError, type Reader } from "./environment.ts";

const serverName = "WHATSAPP_PROXY_SERVER";
const listName = `${serverName}_LIST`;

/** The proxies of sessions that configure none. Throws ConfigError where one breaks the rule for proxies. */
export function proxiesOf(read: Reader): ProxyPool {
  const one = read.trimmed(serverName);
  const list = read.fullList(listName);
  if (one !== undefined) checkServer(serverName, one);
  for (const [index, server] of list.entries()) checkServer(`${listName}: item ${index + 1}`, server);
  const servers = list.length === 0 && one !== undefined ? [one] : list;
  const [username, password] = ["USERNAME", "PASSWORD"].map((part) => {
    const name = `${serverName}_${part}`;
    const value = read.text(name);
    if (value !== undefined && servers.length === 0) {
      throw new ConfigError(`${name} is set, but neither ${serverName} nor ${listName} is`);
    }
    return value;
  });
  return { servers, username, password, indexPrefix: read.trimmed(`${serverName}_INDEX_PREFIX`) };
}

/** The address itself may hold a password and is not repeated. */
function checkServer(place: string, server: string): void {
  const [violation] = configViolations(create(SessionConfigSchema, { proxy: { server } }));
  if (violation) throw new ConfigError(`${place} ${violation.description}`);
}
