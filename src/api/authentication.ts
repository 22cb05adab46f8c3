import { type DescMethod, getOption } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { public_access as publicAccess } from "../../gen/sessiond/api/v1/annotations_pb.js";
import { SessionError } from "../domain/errors.ts";
import { connectErrorOf } from "./errors.ts";
import type { CallLogger } from "./interceptors.ts";

/** Header with a ticket. The REST transcoder fills it from a stream's URL. */
export const ticketHeader = "x-stream-ticket";

/** Whether a call with these headers is allowed. `method` is undefined for a path without a method. */
export type Admits = (method: DescMethod | undefined, header: Headers) => boolean;

/** Rules for access to the API. */
export interface AuthenticationOptions {
  /** Checks a presented key. Without it, no call needs a key. */
  readonly verifyKey: ((presented: string) => boolean) | undefined;
  /** RPCs that need no key, besides those with the option `public_access`. */
  readonly open: Iterable<DescMethod>;
  /** Returns the key behind a ticket. A ticket opens streams only. */
  readonly keyOfTicket?: (ticket: string) => string | undefined;
  readonly logger: Pick<CallLogger, "debug">;
}

/** Creates the check that all protocols share. REST also runs it before it reads a body. */
export function authentication({ verifyKey, open, keyOfTicket, logger }: AuthenticationOptions): Admits {
  if (!verifyKey) return () => true;
  const openMethods = new Set(open);
  const isOpen = memoizeByMethod((method) => openMethods.has(method) || getOption(method, publicAccess));
  return (method, header) => {
    if (method && isOpen(method)) return true;
    const ticket = method?.methodKind === "server_streaming" ? header.get(ticketHeader) : null;
    const key = (ticket === null ? undefined : keyOfTicket?.(ticket)) ?? readKey(header);
    if (key !== "" && verifyKey(key)) return true;
    logger.debug(
      { ...(method && { method: `${method.parent.typeName}/${method.name}` }) },
      "call refused, no valid key",
    );
    return false;
  };
}

/** Returns a function with its results stored. The methods of the services are few. */
function memoizeByMethod<T>(compute: (method: DescMethod) => T): (method: DescMethod) => T {
  const results = new Map<DescMethod, T>();
  return (method) => {
    const stored = results.get(method);
    if (stored !== undefined) return stored;
    const result = compute(method);
    results.set(method, result);
    return result;
  };
}

/** Creates connect's `requestGate`, which refuses calls without a valid key before it reads any of their messages. */
export function gate(admits: Admits): (context: Pick<HandlerContext, "method" | "requestHeader">) => void {
  return ({ method, requestHeader }) => {
    if (admits(method, requestHeader)) return;
    throw connectErrorOf(keyRequired());
  };
}

/** Creates the error for a missing or wrong key. The two look alike, since the caller knows which one it sent. */
export const keyRequired = () =>
  new SessionError("API_KEY_REQUIRED", "A valid API key is required, as x-api-key or Bearer");

/** Returns the key of a call, or "". An empty X-Api-Key counts as absent. */
export function readKey(header: Headers): string {
  return header.get("x-api-key") || (/^Bearer +(\S.*)$/i.exec(header.get("authorization") ?? "")?.[1] ?? "");
}
