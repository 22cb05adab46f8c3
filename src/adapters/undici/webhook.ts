import { Agent } from "undici";
import type { Clock } from "../../ports/system.ts";
import type { WebhookOutcome, WebhookRequest, WebhookSender } from "../../ports/webhook.ts";
import { failureOf } from "./failure.ts";

/** How the sender reaches receivers. */
export interface WebhookSenderOptions {
  readonly clock: Clock;
  /** Connections to one origin at a time; an attempt that waits for one spends its own time. */
  readonly connectionsPerOrigin?: number;
  /** How connections are made: undici's connector, or options for it. */
  readonly connect?: NonNullable<Agent.Options["connect"]>;
}

/** As many as the dispatcher has attempts in flight, so that none waits. */
const defaultConnectionsPerOrigin = 64;

/** An answer's body means nothing; up to this much of it is read, so that the connection can be used again. */
const maxAnswerBytes = 64 * 1024;

/** Why an attempt was cut short: the time was up, not the caller's signal. */
const timedOut = Symbol("timed out");

/** A sender over keep-alive HTTP/1.1 connections, with certificates verified. */
export function createWebhookSender({ clock, connectionsPerOrigin, connect }: WebhookSenderOptions): WebhookSender {
  const closing = new AbortController();
  const agent = new Agent({
    connections: connectionsPerOrigin ?? defaultConnectionsPerOrigin,
    pipelining: 1,
    // One attempt to a connection: over HTTP/2 those to one receiver would share a fate.
    allowH2: false,
    // The attempt's own time bounds the whole.
    headersTimeout: 0,
    bodyTimeout: 0,
    // Without the signal a connection in the making would outlive the sender.
    connect: typeof connect === "function" ? connect : { ...connect, signal: closing.signal },
  });
  return {
    post: (request, signal) => post(agent, clock, request, signal),
    close() {
      closing.abort();
      return agent.destroy();
    },
  };
}

async function post(agent: Agent, clock: Clock, request: WebhookRequest, signal: AbortSignal): Promise<WebhookOutcome> {
  const attempt = new AbortController();
  const cancelTimeout = clock.schedule(request.timeoutMs, () => attempt.abort(timedOut));
  const abort = () => attempt.abort();
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await exchange(agent, clock, request, attempt.signal);
  } catch (error) {
    if (!attempt.signal.aborted) return { type: "failed", error: failureOf(error) };
    return { type: "failed", error: attempt.signal.reason === timedOut ? "timed out" : "aborted" };
  } finally {
    cancelTimeout();
    signal.removeEventListener("abort", abort);
  }
}

async function exchange(agent: Agent, clock: Clock, { url, headers, body }: WebhookRequest, signal: AbortSignal) {
  const { origin, pathname, search, username, password } = new URL(url);
  const answer = await orAborted(
    agent.request({
      origin,
      path: pathname + search,
      method: "POST",
      headers: withCredentials(headers, username, password),
      body,
      signal,
    }),
    signal,
  );
  // The status is the answer. A body that fails or never ends costs the connection, not the delivery.
  await answer.body.dump({ limit: maxAnswerBytes, signal }).catch(() => {});
  const retryAfterMs = retryAfter(answer.headers["retry-after"], clock.nowMs());
  return {
    type: "answered",
    status: answer.statusCode,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  } as const;
}

/** undici heeds a signal only once there is a connection; nobody must wait for that. Nothing is sent then either. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return Promise.race([promise, aborted]);
}

/** A URL's "user:password@" as Basic authentication (RFC 7617), unless there is an Authorization header. */
function withCredentials(headers: Readonly<Record<string, string>>, username: string, password: string) {
  if (!username && !password) return headers;
  if (Object.keys(headers).some((name) => name.toLowerCase() === "authorization")) return headers;
  const credentials = `${percentDecoded(username)}:${percentDecoded(password)}`;
  return { ...headers, Authorization: `Basic ${Buffer.from(credentials).toString("base64")}` };
}

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
