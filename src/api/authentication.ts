import { type DescMethod, getOption } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { public_access as publicAccess } from "../../gen/sessiond/api/v1/annotations_pb.js";
import { SessionError } from "../domain/errors.ts";
import { connectErrorOf } from "./errors.ts";
import type { CallLogger } from "./interceptors.ts";

/** The header that carries a ticket. The REST transcoder fills it from a stream's URL. */
export const ticketHeader = "x-stream-ticket";

/** Whether a call with these headers may be made; `method` is undefined where it leads nowhere. */
export type Admits = (method: DescMethod | undefined, header: Headers) => boolean;

/** Who may call. */
export interface AuthenticationOptions {
  /** Whether a key is the right one; undefined: nobody needs a key. */
  readonly verifyKey: ((presented: string) => boolean) | undefined;
  /** RPCs that need no key, besides those with the option `public_access`. */
  readonly open: Iterable<DescMethod>;
  /** The key that a ticket stands for: it opens streams and nothing else. */
  readonly keyOfTicket?: (ticket: string) => string | undefined;
  readonly logger: Pick<CallLogger, "debug">;
}

/** The one judgement on keys: every protocol asks it, and REST asks it before it reads a body, too. */
export function authentication({ verifyKey, open, keyOfTicket, logger }: AuthenticationOptions): Admits {
  if (!verifyKey) return () => true;
  const openMethods = new Set(open);
  return (method, header) => {
    if (method && (openMethods.has(method) || getOption(method, publicAccess))) return true;
    const ticket = method?.methodKind === "server_streaming" ? header.get(ticketHeader) : null;
    const key = (ticket === null ? undefined : keyOfTicket?.(ticket)) ?? presentedKey(header);
    if (key !== "" && verifyKey(key)) return true;
    logger.debug({ ...(method && { method: `${method.parent.typeName}/${method.name}` }) }, "call without the key");
    return false;
  };
}

/** Refuses calls of all kinds that are not admitted, before any message of theirs is read: connect's `requestGate`. */
export function gate(admits: Admits): (context: Pick<HandlerContext, "method" | "requestHeader">) => void {
  return ({ method, requestHeader }) => {
    if (admits(method, requestHeader)) return;
    throw connectErrorOf(keyRequired());
  };
}

/** A missing key and a wrong one look alike: the caller knows which of them it sent. */
export const keyRequired = () =>
  new SessionError("API_KEY_REQUIRED", "A valid API key is required, as x-api-key or Bearer");

/** Returns the key a call brings, or "". An empty X-Api-Key counts as absent. */
export function presentedKey(header: Headers): string {
  return header.get("x-api-key") || (/^Bearer +(\S.*)$/i.exec(header.get("authorization") ?? "")?.[1] ?? "");
}
