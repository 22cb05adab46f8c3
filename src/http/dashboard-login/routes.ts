import type { JsonValue } from "@bufbuild/protobuf";
import { type HttpRequest, type HttpResponse, jsonAnswer, send } from "../exchange.ts";
import { HttpProblem } from "../problem.ts";
import { readBody } from "../rest/body.ts";
import type { PlainRequest, PlainRoute } from "../rest/transcoder.ts";
import { loginCookie, readLoginCookie } from "./cookie.ts";
import { senderOf } from "./same-origin.ts";
import { TryLimit } from "./try-limit.ts";

/** Proof with which a person logs in. */
export type LoginProof =
  | { readonly kind: "key"; readonly key: string }
  | { readonly kind: "password"; readonly username: string; readonly password: string };

/** Logins of the dashboard. */
export interface DashboardLogins {
  /** True if the dashboard may change nothing. */
  readonly isReadOnly: boolean;
  /** True if a user name and a password are accepted in place of the key. */
  readonly acceptsPassword: boolean;
  /** Returns true if a proof is right; undefined if no login is needed. Takes the same time for every proof of a kind. */
  readonly verify: ((proof: LoginProof) => boolean) | undefined;
  /** Opens a login and returns its secret. */
  open(): string;
  isOpen(secret: string): boolean;
  end(secret: string): void;
  /** Called with the address of a client whose proof was wrong. */
  onRefused(address: string): void;
  nowMs(): number;
}

const path = "/dashboard/login";
const maxBodyBytes = 16 * 1024;
const noStore = { "Cache-Control": "no-store" };

/** Returns the routes that open and end logins of the dashboard, and the one that tells which logins there are. */
export function createLoginRoutes(logins: DashboardLogins): PlainRoute[] {
  const limit = new TryLimit(() => logins.nowMs());

  function tell({ req, res }: PlainRequest): void {
    forbidCredentials(res);
    // Without Sec-Fetch-Site a GET does not tell its sender. Other origins cannot read this answer.
    const secret = senderOf(req) === "other_origin" ? undefined : readLoginCookie(req);
    const facts = {
      required: logins.verify !== undefined,
      loggedIn: secret !== undefined && logins.isOpen(secret),
      password: logins.verify !== undefined && logins.acceptsPassword,
      readonly: logins.isReadOnly,
    };
    send(req, res, jsonAnswer(200, facts, noStore));
  }

  async function logIn({ req, res }: PlainRequest): Promise<void> {
    forbidCredentials(res);
    refuseOtherOrigins(req);
    const { verify } = logins;
    const address = req.socket.remoteAddress ?? "";
    refuseTooMany(res, limit.delayMs(address));
    const body = await readBody(req, { maxBytes: maxBodyBytes, acceptsForms: false });
    if (verify !== undefined) {
      const proof = proofIn(body !== undefined && "json" in body ? body.json : null);
      // More requests of this address may have failed while the body was read.
      refuseTooMany(res, limit.delayMs(address));
      if (!verify(proof)) {
        limit.fail(address);
        logins.onRefused(address);
        throw new HttpProblem(401, "Unauthorized");
      }
      endPresent(req);
      res.setHeader("Set-Cookie", loginCookie(req, logins.open()));
    }
    send(req, res, { status: 204, headers: noStore });
  }

  function logOut({ req, res }: PlainRequest): void {
    forbidCredentials(res);
    refuseOtherOrigins(req);
    if (endPresent(req)) res.setHeader("Set-Cookie", loginCookie(req, ""));
    send(req, res, { status: 204, headers: noStore });
  }

  /** Ends the login that this browser has, and returns whether the request may do so. */
  function endPresent(req: HttpRequest): boolean {
    if (senderOf(req) !== "same_origin") return false;
    const secret = readLoginCookie(req);
    if (secret !== undefined) logins.end(secret);
    return true;
  }

  return [
    { method: "GET", path, handler: tell },
    { method: "POST", path, handler: logIn },
    { method: "POST", path: "/dashboard/logout", handler: logOut },
  ];
}

/** CORS may allow some origins to send cookies to the API. It does not to these routes. */
const forbidCredentials = (res: HttpResponse): void => res.removeHeader("Access-Control-Allow-Credentials");

/** A client that is no browser may send neither header. */
function refuseOtherOrigins(req: HttpRequest): void {
  if (senderOf(req) !== "other_origin") return;
  throw new HttpProblem(403, "Only pages of this server may log in or out", { closes: true });
}

function refuseTooMany(res: HttpResponse, delayMs: number): void {
  if (delayMs <= 0) return;
  res.setHeader("Retry-After", String(Math.ceil(delayMs / 1_000)));
  throw new HttpProblem(429, "Too many failed logins: try again later", { closes: true });
}

function proofIn(body: JsonValue): LoginProof {
  const fields = typeof body === "object" && body !== null && !Array.isArray(body) ? body : {};
  const { key, username, password } = fields;
  if (typeof key === "string" && username === undefined && password === undefined) return { kind: "key", key };
  if (typeof username === "string" && typeof password === "string" && key === undefined) {
    return { kind: "password", username, password };
  }
  throw new HttpProblem(400, 'Send {"key": …} or {"username": …, "password": …}, each a text');
}
