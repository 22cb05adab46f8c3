import { type DescMethod, getOption } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import {
  pairing_link as pairingLink,
  public_access as publicAccess,
  read_only as readOnly,
} from "../../gen/sessiond/api/v1/annotations_pb.js";
import type { OpenLink, PairingLinks } from "../app/pairing-links.ts";
import { SessionError } from "../domain/errors.ts";
import type { Logins } from "../ports/logins.ts";
import type { Credential, Tickets } from "../ports/tickets.ts";
import { connectErrorOf } from "./errors.ts";
import type { CallLogger } from "./interceptors.ts";

/** Header with a ticket. The REST transcoder fills it from a stream's URL. */
export const ticketHeader = "x-stream-ticket";

/** Header with the secret of a dashboard login. The port fills it from the cookie of a page of its own. */
export const loginHeader = "x-dashboard-login";

/** Header with the token of a pairing link. A call with it has the rights of the link and no others. */
export const pairingHeader = "x-pairing-token";

/** Rules for access to the API. */
export interface AuthenticationOptions {
  /** Checks a presented key. Without it, no call needs a key. */
  readonly verifyKey: ((presented: string) => boolean) | undefined;
  /** RPCs that need no key, besides those with the option `public_access`. */
  readonly open: Iterable<DescMethod>;
  /** A ticket opens streams only. */
  readonly tickets?: Pick<Tickets, "credentialOf">;
  /** Logins of the dashboard. `readOnly` limits them to RPCs with the option `read_only`. */
  readonly dashboard?: { readonly logins: Logins; readonly readOnly: boolean } | undefined;
  /** A pairing link opens RPCs with the option `pairing_link`, for its own session. */
  readonly pairingLinks?: Pick<PairingLinks, "find"> | undefined;
  /** Reads a pairing link again, if other nodes can make and revoke links. */
  readonly refreshLink?: ((token: string) => Promise<void>) | undefined;
  readonly logger: Pick<CallLogger, "debug">;
}

/** The caller who reads a stream, after its admission. */
export interface Reader {
  /** Throws once the caller would no longer be admitted. Does not count as use of a login. */
  check(): void;
  /**
   * Calls `callback` once when the caller's rights are ended at once. The function returned cancels it. Undefined for rights that end
   * only by `check`.
   */
  readonly onEnd?: (callback: (reason: SessionError) => void) => () => void;
}

/** Decides for all protocols who may call. REST also asks before it reads a body. */
export class Authentication {
  readonly #options: AuthenticationOptions;
  readonly #isOpen: (method: DescMethod) => boolean;
  readonly #isForLinks = memoizeByMethod((method) => getOption(method, pairingLink));
  readonly #isReadOnly = memoizeByMethod((method) => getOption(method, readOnly));
  /** The last key that opened a stream: nearly all streams have the same one. */
  #lastKey: Credential = noKey;

  constructor(options: AuthenticationOptions) {
    this.#options = options;
    const openMethods = new Set(options.open);
    this.#isOpen = memoizeByMethod((method) => openMethods.has(method) || getOption(method, publicAccess));
  }

  /** Returns why a call is refused; undefined if it is admitted. `method` is undefined for a path without a method. */
  refusal(method: DescMethod | undefined, header: Headers): SessionError | undefined {
    if ((method && this.#isOpen(method)) || this.#isFreeOfKeys(header)) return undefined;
    const credential = this.#credentialOf(method, header);
    const refusal = this.#refusalOf(method, credential);
    if (refusal === undefined) {
      if (credential.kind === "login") this.#options.dashboard?.logins.use(credential.secret);
      return undefined;
    }
    const name = method && `${method.parent.typeName}/${method.name}`;
    this.#options.logger.debug({ ...(name && { method: name }), reason: refusal.reason }, "call refused");
    return refusal;
  }

  /** Throws the error for a caller who is refused. */
  admit(method: DescMethod | undefined, header: Headers): void {
    const refusal = this.refusal(method, header);
    if (refusal !== undefined) throw connectErrorOf(refusal);
  }

  /** Like `admit`, but first reads what other nodes may have changed; returns a promise only then. */
  admission(method: DescMethod | undefined, header: Headers): void | Promise<void> {
    const refreshed = this.refresh(header);
    if (refreshed === undefined) return this.admit(method, header);
    return refreshed.then(() => this.admit(method, header));
  }

  /** Reads the pairing link of a call again; undefined if there is nothing to read. */
  refresh(header: Headers): Promise<void> | undefined {
    const { refreshLink } = this.#options;
    const token = refreshLink && header.get(pairingHeader);
    return token ? refreshLink(token) : undefined;
  }

  /** Returns the reader of a stream that has been admitted. A ticket opens a stream; from then on its credential counts. */
  readerOf(method: DescMethod, header: Headers): Reader {
    if (this.#isOpen(method) || this.#isFreeOfKeys(header)) return anyReader;
    const credential = this.#credentialOf(method, header);
    if (credential.kind === "pairing_link") return linkReader(this.#options.pairingLinks?.find(credential.token));
    const shared = credential.kind === "key" ? this.#sharedKey(credential) : credential;
    const check = () => {
      const refusal = this.#refusalOf(method, shared);
      if (refusal !== undefined) throw refusal;
    };
    const logins = this.#options.dashboard?.logins;
    if (shared.kind !== "login" || logins === undefined) return { check };
    return { check, onEnd: (callback) => logins.onEnd(shared.secret, () => callback(keyRequired())) };
  }

  /** Returns the pairing link that a call is made with; undefined for calls without one. Throws if the link has ended. */
  linkOf(header: Headers): OpenLink | undefined {
    const token = header.get(pairingHeader);
    if (token === null) return undefined;
    const link = this.#options.pairingLinks?.find(token);
    if (link === undefined) throw pairingLinkEnded();
    return link;
  }

  /** Returns true if the server needs no key, and the caller has not chosen the rights of a pairing link. */
  #isFreeOfKeys(header: Headers): boolean {
    return this.#options.verifyKey === undefined && !header.has(pairingHeader);
  }

  #credentialOf(method: DescMethod | undefined, header: Headers): Credential {
    const ticket = method?.methodKind === "server_streaming" ? header.get(ticketHeader) : null;
    return (ticket === null ? undefined : this.#options.tickets?.credentialOf(ticket)) ?? readCredential(header);
  }

  #refusalOf(method: DescMethod | undefined, credential: Credential): SessionError | undefined {
    const { verifyKey, dashboard, pairingLinks } = this.#options;
    if (credential.kind === "pairing_link") {
      const isAdmitted = method && this.#isForLinks(method) && pairingLinks?.find(credential.token) !== undefined;
      return isAdmitted ? undefined : pairingLinkEnded();
    }
    if (credential.kind === "key") {
      return credential.key !== "" && verifyKey?.(credential.key) ? undefined : keyRequired();
    }
    if (!dashboard?.logins.isOpen(credential.secret)) return keyRequired();
    return dashboard.readOnly && method && !this.#isReadOnly(method) ? onlyReads() : undefined;
  }

  #sharedKey(credential: Credential & { readonly kind: "key" }): Credential {
    const last = this.#lastKey;
    if (last.kind !== "key" || last.key !== credential.key) this.#lastKey = credential;
    return this.#lastKey;
  }
}

const noKey: Credential = { kind: "key", key: "" };
const anyReader: Reader = { check() {} };

/** Limit of open streams of one link, which may be in anybody's hands. */
const maxLinkReaders = 8;

function linkReader(link: OpenLink | undefined): Reader {
  if (link && link.readers >= maxLinkReaders) {
    throw new SessionError("TOO_MANY_STREAMS", `No more than ${maxLinkReaders} streams of a pairing link can be open`);
  }
  const check = () => {
    if (link === undefined || link.hasEnded()) throw pairingLinkEnded();
  };
  return { check, ...(link && { onEnd: (callback) => link.onEnd(() => callback(pairingLinkEnded())) }) };
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

/** Creates connect's `requestGate`, which refuses calls before it reads any of their messages. */
export function gate(
  authentication: Pick<Authentication, "admission">,
): (context: Pick<HandlerContext, "method" | "requestHeader">) => void | Promise<void> {
  return ({ method, requestHeader }) => authentication.admission(method, requestHeader);
}

/** Creates the error for a missing or wrong key. The two look alike, since the caller knows which one it sent. */
export const keyRequired = () =>
  new SessionError("API_KEY_REQUIRED", "A valid API key is required, as x-api-key or Bearer");

/** Creates the error for a pairing link that opens nothing, or not the call that was made with it. */
export const pairingLinkEnded = () =>
  new SessionError("PAIRING_LINK_INVALID", "The pairing link has expired, was used or was revoked: ask for a new one");

const onlyReads = () =>
  new SessionError(
    "READ_ONLY",
    "The dashboard of this server only reads (SESSIOND_DASHBOARD=readonly): use the API key",
  );

/** Returns the credential in a call's headers. A pairing link excludes all others; a key, even a wrong one, excludes the login. */
export function readCredential(header: Headers): Credential {
  const token = header.get(pairingHeader);
  if (token !== null) return { kind: "pairing_link", token };
  const key = header.get("x-api-key") || (/^Bearer +(\S.*)$/i.exec(header.get("authorization") ?? "")?.[1] ?? "");
  const secret = key === "" ? header.get(loginHeader) : null;
  if (secret !== null) return { kind: "login", secret };
  return key === "" ? noKey : { kind: "key", key };
}
