import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import type { AttemptOutcome } from "../../domain/delivery.ts";
import type { WebhookRequest } from "../../ports/webhook.ts";
import { explainStatus } from "./answer-note.ts";
import { describeFailure, isConnectionLoss, ProxyFailure } from "./failure.ts";
import type { ConnectionAware, Lane, ReusedConnection } from "./lane.ts";
import { proxyRefusal } from "./proxy.ts";
import type { HttpProxy } from "./proxy-rules.ts";
import { basicAuthorization } from "./url-login.ts";

/** Maximum size of an answer's body. The body is ignored, but read so that the connection can be reused. */
const maxAnswerBytes = 64 * 1024;

/** Options for an exchange. */
export interface ExchangeOptions {
  readonly lane: Lane;
  /** Proxy that forwards the request. */
  readonly proxy?: HttpProxy | undefined;
  nowMs(): number;
}

/**
 * A request and its outcome. Redirects are not followed. If a reused connection ends before the answer begins, which tells nothing
 * about the receiver (RFC 9112, section 9.3.1), the request is sent once more on a new connection.
 */
export class Exchange implements ConnectionAware {
  /** Outcome of the request. Never rejects. */
  readonly outcome: Promise<AttemptOutcome>;
  readonly #resolve: (outcome: AttemptOutcome) => void;
  readonly #request: WebhookRequest;
  readonly #options: ExchangeOptions;
  #controller: Dispatcher.DispatchController | undefined;
  #connection: ReusedConnection | undefined;
  #isConnectionUsed = false;
  #hasAnswerBegun = false;
  #answer: AttemptOutcome | undefined;
  #bytes = 0;
  #isOver = false;

  constructor(request: WebhookRequest, options: ExchangeOptions) {
    const { promise, resolve } = Promise.withResolvers<AttemptOutcome>();
    this.outcome = promise;
    this.#resolve = resolve;
    this.#request = request;
    this.#options = options;
  }

  /** Sends the request. Must be called once. */
  begin(): void {
    if (!this.#isOver) this.#dispatchTo(this.#options.lane.reused);
  }

  /** Ends the exchange, also while it waits for a connection. If an answer has begun, that is the outcome; otherwise `error` is. */
  abort(error: string): void {
    if (this.#isOver) return;
    this.#end(this.#answer ?? { type: "failed", error });
    this.#controller?.abort(new Error(error));
  }

  /** Ends the exchange with an error. */
  fail(error: unknown): void {
    const { proxy } = this.#options;
    const isUnnamed = proxy !== undefined && !(error instanceof ProxyFailure) && isConnectionLoss(error);
    this.abort(describeFailure(isUnnamed ? new ProxyFailure(proxy.shown, `failed: ${describeFailure(error)}`) : error));
  }

  /** Ends the exchange with a timeout. */
  timeOut(): void {
    const { proxy } = this.#options;
    this.abort(proxy ? `timed out through the proxy ${proxy.shown}` : "timed out");
  }

  onConnectionChosen(connection: ReusedConnection): void {
    this.#connection = connection;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#isConnectionUsed = this.#connection?.use() ?? false;
    // The exchange ended while it waited for a connection. Nothing is sent.
    if (this.#isOver) controller.abort(new Error("aborted"));
  }

  onResponseStarted(): void {
    this.#hasAnswerBegun = true;
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // Informational answers precede the final one (RFC 9110, section 15.2).
    if (status < 200) return;
    const { proxy, nowMs } = this.#options;
    if (proxy && status === 407) {
      this.fail(proxyRefusal(proxy, status, "the request"));
      return;
    }
    const retryAfterMs = parseRetryAfter(headers["retry-after"], nowMs());
    const note = explainStatus(status, headers, this.#request.url, proxy);
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
    if (!this.#isOver) this.#end(this.#answer ?? { type: "failed", error: describeFailure(undefined) });
  }

  /** Handles a lost connection. Once the status is known it is the outcome, even if the body fails. */
  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (this.#isOver) return;
    if (this.#isConnectionUsed && !this.#hasAnswerBegun && isConnectionLoss(error)) {
      this.#connection = undefined;
      this.#dispatchTo(this.#options.lane.fresh);
    } else {
      this.fail(error);
    }
  }

  #dispatchTo(dispatcher: Dispatcher): void {
    try {
      dispatcher.dispatch(toDispatchOptions(this.#request, this.#options.proxy), this);
    } catch (error) {
      this.fail(error);
    }
  }

  #end(outcome: AttemptOutcome): void {
    this.#isOver = true;
    this.#resolve(outcome);
  }
}

/** Returns undici's options for a request. A proxy receives the whole URL (RFC 9112, section 3.2.2). */
function toDispatchOptions(
  { url, headers, body }: WebhookRequest,
  proxy: HttpProxy | undefined,
): Dispatcher.DispatchOptions & { servername?: string } {
  const { origin, host, path, authorization } = parseTarget(url);
  const named = authorization && !hasAuthorization(headers) ? { ...headers, Authorization: authorization } : headers;
  if (!proxy) return { origin, path, method: "POST", headers: named, body };
  return {
    origin: proxy.origin,
    path: origin + path,
    method: "POST",
    headers: { ...named, Host: host, ...(proxy.authorization && { "Proxy-Authorization": proxy.authorization }) },
    body,
    // By default undici would expect a certificate for the Host header.
    servername: new URL(proxy.origin).hostname,
  };
}

/** Parts of a URL that a request needs. */
interface Target {
  readonly origin: string;
  readonly host: string;
  readonly path: string;
  readonly authorization: string | undefined;
}

/** Cache of parsed URLs, since endpoints are few and deliveries many. Cleared at 1024 entries. */
const targets = new Map<string, Target>();
const maxTargets = 1024;

function parseTarget(text: string): Target {
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

/** Parses Retry-After to ms: seconds or a date (RFC 9110, section 10.2.3). */
function parseRetryAfter(header: string | string[] | undefined, nowMs: number): number | undefined {
  const value = (typeof header === "string" ? header : header?.[0])?.trim();
  if (!value) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  // Date.parse accepts other texts than HTTP dates, such as "1.5".
  const atMs = /^[A-Z][a-z]+, /.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(atMs) ? undefined : Math.max(atMs - nowMs, 0);
}
