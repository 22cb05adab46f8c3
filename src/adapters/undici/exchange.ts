import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import type { WebhookOutcome, WebhookRequest } from "../../ports/webhook.ts";
import { noteOn } from "./answer-note.ts";
import { failureOf, isConnectionLoss, ProxyFailure } from "./failure.ts";
import type { ConnectionAware, KeptConnection, Lane } from "./lane.ts";
import { proxyRefusal } from "./proxy.ts";
import type { HttpProxy } from "./proxy-rules.ts";
import { basicAuthorization } from "./url-login.ts";

/** An answer's body means nothing; up to this much of it is read, so that the connection can be used again. */
const maxAnswerBytes = 64 * 1024;

/** What an exchange works with. */
export interface ExchangeOptions {
  readonly lane: Lane;
  /** The proxy that the request itself is sent to. */
  readonly proxy?: HttpProxy | undefined;
  nowMs(): number;
}

/**
 * One request on its way, until its outcome is known; follows no redirect. A connection that was used before and ends before the
 * answer begins says nothing of the receiver (RFC 9112, section 9.3.1): the request is then sent once more, on a new one.
 */
export class Exchange implements ConnectionAware {
  /** Never rejects. */
  readonly outcome: Promise<WebhookOutcome>;
  readonly #resolve: (outcome: WebhookOutcome) => void;
  readonly #request: WebhookRequest;
  readonly #options: ExchangeOptions;
  #controller: Dispatcher.DispatchController | undefined;
  #connection: KeptConnection | undefined;
  #isConnectionUsed = false;
  #hasAnswerBegun = false;
  #answer: WebhookOutcome | undefined;
  #bytes = 0;
  #over = false;

  constructor(request: WebhookRequest, options: ExchangeOptions) {
    const { promise, resolve } = Promise.withResolvers<WebhookOutcome>();
    this.outcome = promise;
    this.#resolve = resolve;
    this.#request = request;
    this.#options = options;
  }

  /** Sends the request. To be called once. */
  begin(): void {
    if (!this.#over) this.#dispatchTo(this.#options.lane.kept);
  }

  /** Ends it, saying why: an answer that has begun stands, otherwise nobody waits any longer, not for a connection either. */
  abort(error: string): void {
    if (this.#over) return;
    this.#end(this.#answer ?? { type: "failed", error });
    this.#controller?.abort(new Error(error));
  }

  /** Ends it for an error. */
  fail(error: unknown): void {
    const { proxy } = this.#options;
    const isUnnamed = proxy !== undefined && !(error instanceof ProxyFailure) && isConnectionLoss(error);
    this.abort(failureOf(isUnnamed ? new ProxyFailure(proxy.shown, `failed: ${failureOf(error)}`) : error));
  }

  /** Ends it because its time is up. */
  timeOut(): void {
    const { proxy } = this.#options;
    this.abort(proxy ? `timed out through the proxy ${proxy.shown}` : "timed out");
  }

  onConnectionChosen(connection: KeptConnection): void {
    this.#connection = connection;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#isConnectionUsed = this.#connection?.use() ?? false;
    // There was no connection before: nothing is sent.
    if (this.#over) controller.abort(new Error("aborted"));
  }

  onResponseStarted(): void {
    this.#hasAnswerBegun = true;
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // Informational ones (RFC 9110, section 15.2) are followed by another.
    if (status < 200) return;
    const { proxy, nowMs } = this.#options;
    if (proxy && status === 407) {
      this.fail(proxyRefusal(proxy, status, "the request"));
      return;
    }
    const retryAfterMs = retryAfter(headers["retry-after"], nowMs());
    const note = noteOn(status, headers, this.#request.url, proxy);
    this.#answer = {
      type: "answered",
      status,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(note !== undefined && { note }),
    };
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > maxAnswerBytes) this.abort("the answer is too long");
  }

  onResponseEnd(): void {
    if (!this.#over) this.#end(this.#answer ?? { type: "failed", error: failureOf(undefined) });
  }

  /** Once there is a status, it is the answer: a body that fails costs the connection, not the delivery. */
  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (this.#over) return;
    if (this.#isConnectionUsed && !this.#hasAnswerBegun && isConnectionLoss(error)) {
      this.#connection = undefined;
      this.#dispatchTo(this.#options.lane.fresh);
    } else {
      this.fail(error);
    }
  }

  #dispatchTo(dispatcher: Dispatcher): void {
    try {
      dispatcher.dispatch(dispatchOptions(this.#request, this.#options.proxy), this);
    } catch (error) {
      this.fail(error);
    }
  }

  #end(outcome: WebhookOutcome): void {
    this.#over = true;
    this.#resolve(outcome);
  }
}

/** To a proxy goes the whole URL (RFC 9112, section 3.2.2). */
function dispatchOptions(
  { url, headers, body }: WebhookRequest,
  proxy: HttpProxy | undefined,
): Dispatcher.DispatchOptions & { servername?: string } {
  const { origin, host, path, authorization } = targetOf(url);
  const named = authorization && !hasAuthorization(headers) ? { ...headers, Authorization: authorization } : headers;
  if (!proxy) return { origin, path, method: "POST", headers: named, body };
  return {
    origin: proxy.origin,
    path: origin + path,
    method: "POST",
    headers: { ...named, Host: host, ...(proxy.authorization && { "Proxy-Authorization": proxy.authorization }) },
    body,
    // Otherwise undici would expect the certificate of the host that the request names.
    servername: new URL(proxy.origin).hostname,
  };
}

/** What a URL comes to, for a request. */
interface Target {
  readonly origin: string;
  readonly host: string;
  readonly path: string;
  readonly authorization: string | undefined;
}

/** Endpoints are few and deliveries many: each URL is taken apart once, as long as there are not too many. */
const targets = new Map<string, Target>();
const maxTargets = 1024;

function targetOf(text: string): Target {
  const known = targets.get(text);
  if (known) return known;
  const url = new URL(text);
  const { origin, host, pathname, search } = url;
  const target = { origin, host, path: pathname + search, authorization: basicAuthorization(url) };
  if (targets.size >= maxTargets) targets.clear();
  targets.set(text, target);
  return target;
}

const hasAuthorization = (headers: Readonly<Record<string, string>>) =>
  Object.keys(headers).some((name) => name.toLowerCase() === "authorization");

/** RFC 9110, section 10.2.3: seconds, or a date. */
function retryAfter(header: string | string[] | undefined, nowMs: number): number | undefined {
  const value = (typeof header === "string" ? header : header?.[0])?.trim();
  if (!value) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  // Date.parse reads much that is no HTTP date, such as "1.5".
  const atMs = /^[A-Z][a-z]+, /.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(atMs) ? undefined : Math.max(atMs - nowMs, 0);
}
