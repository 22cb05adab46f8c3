import { create } from "@bufbuild/protobuf";
import { type ProxyConfig, ProxyConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { fnv1a } from "./hash.ts";

/** Proxies for the sessions that configure none. */
export interface ProxyPool {
  readonly servers: readonly string[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /**
   * A session named by this prefix and a number uses the proxy at that index, from 0, modulo the length of the list.
   */
  readonly indexPrefix?: string | undefined;
}

/** Returns a session's proxy from the pool, the same one as long as the list does not change. */
export function proxyFor(session: string, pool: ProxyPool): ProxyConfig | undefined {
  const { servers, username, password } = pool;
  const server = servers[Number(placeOf(session, pool.indexPrefix) % BigInt(Math.max(servers.length, 1)))];
  if (server === undefined) return undefined;
  return create(ProxyConfigSchema, {
    server,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
  });
}

function placeOf(session: string, prefix: string | undefined): bigint {
  const number = prefix && session.startsWith(prefix) ? session.slice(prefix.length) : "";
  return /^\d+$/.test(number) ? BigInt(number) : fnv1a(session);
}
