import { type buildConnector, Client, type Dispatcher, errors } from "undici";
import { type FileFetcher, FileUnavailable } from "../../ports/media.ts";
import { type ExitOptions, type Exits, openExits } from "./exits.ts";
import { describeFailure } from "./failure.ts";
import { ReceivedBytes } from "./received-bytes.ts";
import { DestinationNotAllowed } from "./ssrf-guard.ts";
import { basicAuthorization } from "./url-login.ts";

/** Options for a fetcher. */
export interface FileFetcherOptions extends Omit<ExitOptions, "connectionsPerOrigin"> {
  readonly userAgent: string;
  /** Time for a whole file, with all redirects. */
  readonly limitMs: number;
}

/** Each request has a connection of its own. */
const connectionsPerOrigin = 1;
const maxRedirects = 5;
const maxUrlLength = 8_192;
/** A server must send this much in this time, or finish. */
const progress = { bytes: 32 * 1024, ms: 10_000 };
const redirects = new Set([301, 302, 303, 307, 308]);

/** A response, and what has arrived on its connection. */
interface Response extends Dispatcher.ResponseData {
  readonly received: ReceivedBytes;
}

/** Creates a fetcher that opens a connection for each request, through the guard and the proxies of webhooks. */
export function createFileFetcher(options: FileFetcherOptions): FileFetcher {
  const { clock, limitMs } = options;
  const exits = openExits({ ...options, connectionsPerOrigin });

  async function* fetch(text: string, maxBytes: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const late = new AbortController();
    const lateness = (reason: string) => () => late.abort(new FileUnavailable(reason));
    const cancelLimit = clock.schedule(limitMs, lateness(`did not arrive within ${limitMs / 1_000} s`));
    const stalled = lateness(`did not arrive: the server sent too little within ${progress.ms / 1_000} s`);
    let cancelStall = clock.schedule(progress.ms, stalled);
    const watched = AbortSignal.any([signal, late.signal]);
    try {
      const response = await follow(text, watched, { ...options, exits });
      const announced = lengthOf(response);
      if (announced !== undefined && announced > maxBytes) throw tooLarge(maxBytes);
      let size = 0;
      let counted = 0;
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
        size += chunk.length;
        if (size > maxBytes) throw tooLarge(maxBytes);
        if (size - counted >= progress.bytes) {
          counted = size;
          cancelStall();
          cancelStall = clock.schedule(progress.ms, stalled);
        }
        yield chunk;
      }
      if (announced !== undefined && response.received.ofBody > announced) {
        throw new FileUnavailable("could not be fetched: the server sent more than its Content-Length");
      }
    } catch (error) {
      if (late.signal.aborted) throw late.signal.reason;
      if (signal.aborted) throw signal.reason;
      throw refusalOf(error);
    } finally {
      cancelLimit();
      cancelStall();
      // Ends the connection of a file that is not read to its end.
      late.abort();
    }
  }
  return { fetch, close: exits.close };
}

/** Requests a URL and follows its redirects. Each address on the way passes the guard. */
async function follow(
  text: string,
  signal: AbortSignal,
  options: FileFetcherOptions & { readonly exits: Exits },
): Promise<Response> {
  let url = parse(text);
  for (let followed = 0; ; followed += 1) {
    const response = await request(url, signal, options);
    const { statusCode, headers, body } = response;
    body.on("error", () => {});
    const { location } = headers;
    if (redirects.has(statusCode) && typeof location === "string") {
      await body.dump({ limit: 0 }).catch(() => {});
      if (followed >= maxRedirects) throw new FileUnavailable(`redirects more than ${maxRedirects} times`);
      url = parse(location, url);
      continue;
    }
    if (statusCode === 200 && isIdentity(response)) return response;
    await body.dump({ limit: 0 }).catch(() => {});
    if (statusCode === 200) throw new FileUnavailable("was sent compressed, though it was asked for as it is");
    throw new FileUnavailable(`could not be fetched: the server answered ${statusCode}`);
  }
}

async function request(
  url: URL,
  signal: AbortSignal,
  { exits, proxies, userAgent }: FileFetcherOptions & { readonly exits: Exits },
): Promise<Response> {
  const { guarded, forwarding } = exits;
  const authorization = basicAuthorization(url);
  const headers = {
    "user-agent": userAgent,
    accept: "*/*",
    "accept-encoding": "identity",
    ...(authorization && { authorization }),
  };
  const path = url.pathname + url.search;
  const proxy = url.protocol === "http:" ? proxies?.(url) : undefined;
  if (!proxy) return requestAlong(guarded.connect, url.origin, { path, headers }, signal);
  await guarded.admits?.(url.hostname);
  const login = proxy.authorization && { "proxy-authorization": proxy.authorization };
  const forwarded = { path: url.origin + path, headers: { ...headers, host: url.host, ...login } };
  return requestAlong(forwarding.connect, proxy.origin, forwarded, signal);
}

/** Sends a request on a new connection, which ends with the response or the signal. */
async function requestAlong(
  connect: buildConnector.connector,
  origin: string,
  options: Pick<Dispatcher.RequestOptions, "path" | "headers">,
  signal: AbortSignal,
): Promise<Response> {
  const received = new ReceivedBytes();
  const client = new Client(origin, {
    connect: received.counting(connect),
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  signal.addEventListener("abort", () => void client.destroy().catch(() => {}), { once: true });
  const response = await client.request({ ...options, method: "GET", signal });
  return { ...response, received };
}

function parse(text: string, base?: URL): URL {
  const url = text.length <= maxUrlLength ? URL.parse(text.trim(), base) : null;
  if (url && (url.protocol === "http:" || url.protocol === "https:")) return url;
  throw new FileUnavailable(
    base ? "redirects to an address that is not http or https" : "must be an http or https URL",
  );
}

/** Returns the size that a response announces. */
function lengthOf({ headers }: Response): number | undefined {
  const length = headers["content-length"];
  return typeof length === "string" && /^\d+$/.test(length) ? Number(length) : undefined;
}

function isIdentity({ headers }: Response): boolean {
  const encoding = headers["content-encoding"];
  return encoding === undefined || encoding === "" || encoding === "identity";
}

function refusalOf(error: unknown): FileUnavailable {
  if (error instanceof FileUnavailable) return error;
  if (error instanceof errors.SocketError || error instanceof errors.ResponseContentLengthMismatchError) return cut();
  const advice =
    error instanceof DestinationNotAllowed
      ? " (SESSIOND_WEBHOOK_ALLOW lists private addresses that may be reached)"
      : "";
  return new FileUnavailable(`could not be fetched: ${describeFailure(error)}${advice}`, { cause: error });
}

const cut = () => new FileUnavailable("could not be fetched: the connection ended before the whole file arrived");
const tooLarge = (maxBytes: number) => new FileUnavailable(`must not be larger than ${maxBytes} bytes`);
