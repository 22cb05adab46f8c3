import { create } from "@bufbuild/protobuf";
import { type ProxyConfig, ProxyConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { fnv1a } from "./hash.ts";

/** The proxies of sessions that configure none. */
export interface ProxyPool {
  readonly servers: readonly string[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** A session named by this prefix and a number takes the proxy at that place, from 0 and round and round. */
  readonly indexPrefix?: string | undefined;
}

/** A session's proxy from the pool: always the same one as long as the list is the same. */
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
