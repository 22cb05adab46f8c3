import type { IncomingHttpHeaders } from "node:http";
import type { Agent, Dispatcher } from "undici";
import type { WebhookOutcome, WebhookRequest } from "../../ports/webhook.ts";
import { failureOf } from "./failure.ts";

/** An answer's body means nothing; up to this much of it is read, so that the connection can be used again. */
const maxAnswerBytes = 64 * 1024;

/** One request on its way, until its outcome is known. */
export interface Exchange {
  /** Never rejects. */
  readonly outcome: Promise<WebhookOutcome>;
  /** Ends it, saying why: an answer that has begun stands, otherwise nobody waits any longer, not for a connection either. */
  abort(error: string): void;
}

/** Posts a request, following no redirect. */
export function exchange(agent: Agent, { url, headers, body }: WebhookRequest, nowMs: () => number): Exchange {
  const handler = new Handler(nowMs);
  try {
    const { origin, path, authorization } = targetOf(url);
    const named = authorization && !hasAuthorization(headers) ? { ...headers, Authorization: authorization } : headers;
    agent.dispatch({ origin, path, method: "POST", headers: named, body }, handler);
  } catch (error) {
    handler.fail(failureOf(error));
  }
  return { outcome: handler.outcome, abort: (error) => handler.fail(error) };
}

class Handler implements Dispatcher.DispatchHandler {
  readonly outcome: Promise<WebhookOutcome>;
  readonly #resolve: (outcome: WebhookOutcome) => void;
  readonly #nowMs: () => number;
  #controller: Dispatcher.DispatchController | undefined;
  #answer: WebhookOutcome | undefined;
  #bytes = 0;
  #over = false;

  constructor(nowMs: () => number) {
    const { promise, resolve } = Promise.withResolvers<WebhookOutcome>();
    this.outcome = promise;
    this.#resolve = resolve;
    this.#nowMs = nowMs;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // There was no connection before: nothing is sent.
    if (this.#over) controller.abort(new Error("aborted"));
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // Informational ones (RFC 9110, section 15.2) are followed by another.
    if (status < 200) return;
    const retryAfterMs = retryAfter(headers["retry-after"], this.#nowMs());
    this.#answer = { type: "answered", status, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > maxAnswerBytes) this.fail("the answer is too long");
  }

  onResponseEnd(): void {
    this.#end(this.#answer ?? { type: "failed", error: failureOf(undefined) });
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.fail(failureOf(error));
  }

  /** The status is the answer. A body that fails or never ends costs the connection, not the delivery. */
  fail(error: string): void {
    if (this.#over) return;
    this.#end(this.#answer ?? { type: "failed", error });
    this.#controller?.abort(new Error(error));
  }

  #end(outcome: WebhookOutcome): void {
    this.#over = true;
    this.#resolve(outcome);
  }
}

/** What a URL comes to, for a request. */
interface Target {
  readonly origin: string;
  readonly path: string;
  /** A URL's "user:password@" as Basic authentication (RFC 7617). */
  readonly authorization: string | undefined;
}

/** Endpoints are few and deliveries many: each URL is taken apart once, as long as there are not too many. */
const targets = new Map<string, Target>();
const maxTargets = 1024;

function targetOf(url: string): Target {
  const known = targets.get(url);
  if (known) return known;
  const { origin, pathname, search, username, password } = new URL(url);
  const credentials = `${percentDecoded(username)}:${percentDecoded(password)}`;
  const authorization = credentials === ":" ? undefined : `Basic ${Buffer.from(credentials).toString("base64")}`;
  const target = { origin, path: pathname + search, authorization };
  if (targets.size >= maxTargets) targets.clear();
  targets.set(url, target);
  return target;
}

const hasAuthorization = (headers: Readonly<Record<string, string>>) =>
  Object.keys(headers).some((name) => name.toLowerCase() === "authorization");

// A URL may hold a "%" that begins no escape; the URL standard leaves it as it is.
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** RFC 9110, section 10.2.3: seconds, or a date. */
function retryAfter(header: string | string[] | undefined, nowMs: number): number | undefined {
  const value = (typeof header === "string" ? header : header?.[0])?.trim();
  if (!value) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  // Date.parse reads much that is no HTTP date, such as "1.5".
  const atMs = /^[A-Z][a-z]+, /.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(atMs) ? undefined : Math.max(atMs - nowMs, 0);
}
