import type { Transport } from "@connectrpc/connect";

/** Another node, as the one that calls it. */
export interface Peer {
  /** Makes sure of a connection. Rejects if there is none to be had; nothing of a call has been sent then. */
  connect(): Promise<void>;
  /** Calls that are proven to come from this node. */
  readonly transport: Transport;
}

/** The other nodes. */
export interface Peers {
  to(node: { readonly name: string; readonly url: string }): Peer;
}

/** Request headers that RPCs read. Others, keys among them, stay with the node that the client called. */
const readHeaders = ["if-match", "idempotency-key", "x-pairing-token", "x-request-id"];
/** No valid value of these headers is longer. A longer one stays invalid when it is cut. */
const maxValueLength = 1_024;

/** Returns the request headers that a call has at another node. */
export function forwardedHeaders(header: Headers): Headers {
  const forwarded = new Headers();
  for (const name of readHeaders) {
    const value = header.get(name);
    if (value !== null) forwarded.set(name, value.slice(0, maxValueLength));
  }
  return forwarded;
}

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** Returns the time (ms) that a client gives its call; undefined for no limit. */
export function timeoutMsOf(header: Headers): number | undefined {
  const ofConnect = header.get("connect-timeout-ms");
  if (ofConnect !== null && /^\d{1,10}$/.test(ofConnect)) return Number(ofConnect);
  const [, count, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(header.get("grpc-timeout") ?? "") ?? [];
  return count === undefined ? undefined : Math.ceil(Number(count) * (unitMs[unit] ?? 0));
}
