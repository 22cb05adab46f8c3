import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { SessionError, StoreUnavailable } from "../domain/errors.ts";
import { connectErrorOf } from "./errors.ts";

/** Where calls are logged. */
export interface CallLogger {
  debug(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What reporting calls needs from outside. */
export interface ReportingOptions {
  readonly logger: CallLogger;
  readonly metrics?: { called(method: string, code: string, durationMs: number): void };
  nowMs(): number;
}

/**
 * Outermost: logs each call when it ends, and makes a ConnectError of whatever it throws. A caller is told the cause of what was
 * foreseen; anything else is logged with its cause and reported as INTERNAL without it.
 */
export function reporting({ logger, metrics, nowMs }: ReportingOptions): Interceptor {
  return (next) => async (req) => {
    const startMs = nowMs();
    const method = `${req.service.typeName}/${req.method.name}`;
    const failed = (error: unknown): ConnectError => {
      const known = knownError(error, req.signal);
      if (!known) logger.error({ err: error, method }, "call failed");
      return known ?? new ConnectError("Internal server error", Code.Internal);
    };
    const ended = (code: string) => {
      const durationMs = nowMs() - startMs;
      logger.debug({ method, code, durationMs }, "call");
      metrics?.called(method, code, durationMs);
    };
    try {
      const res = await next(req);
      if (res.stream) return { ...res, message: reported(res.message, failed, ended) };
      ended("ok");
      return res;
    } catch (error) {
      const failure = failed(error);
      ended(Code[failure.code]);
      throw failure;
    }
  };
}

async function* reported<T>(
  messages: AsyncIterable<T>,
  failed: (error: unknown) => ConnectError,
  ended: (code: string) => void,
): AsyncIterable<T> {
  // What stays if the caller stops reading.
  let code: string = Code[Code.Canceled];
  try {
    yield* messages;
    code = "ok";
  } catch (error) {
    const failure = failed(error);
    code = Code[failure.code];
    throw failure;
  } finally {
    ended(code);
  }
}

/** The error a caller may see; undefined for one that nobody foresaw. */
function knownError(error: unknown, signal: AbortSignal): ConnectError | undefined {
  if (error instanceof SessionError) return connectErrorOf(error);
  if (error instanceof StoreUnavailable)
    return connectErrorOf(new SessionError("STORE_UNAVAILABLE", "The store takes no writes"));
  if (error instanceof ConnectError) return error;
  // The call was cut short from outside, which is no fault.
  const cut = error === signal.reason || (error instanceof Error && error.name === "AbortError");
  if (signal.aborted && cut) return ConnectError.from(signal.reason, Code.Canceled);
  return undefined;
}
