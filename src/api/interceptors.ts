import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { SessionError, StoreUnavailable } from "../domain/errors.ts";
import { connectErrorOf } from "./errors.ts";

/** Logger for calls. */
export interface CallLogger {
  debug(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Dependencies of `reporting`. */
export interface ReportingOptions {
  readonly logger: CallLogger;
  readonly metrics?: { called(method: string, code: string, durationMs: number): void };
  nowMs(): number;
}

/**
 * Creates the outermost interceptor, which logs each call at its end and turns every error into a ConnectError.
 * Unexpected errors are logged with their cause and reported as INTERNAL without it.
 */
export function reporting({ logger, metrics, nowMs }: ReportingOptions): Interceptor {
  const toConnectError = (error: unknown, req: Call): ConnectError => {
    const known = knownError(error, req);
    if (!known) logger.error({ err: error, method: nameOf(req.method) }, "call failed");
    return known ?? new ConnectError("Internal server error", Code.Internal);
  };
  const recordEnd = (req: Call, code: string, startMs: number) => {
    const method = nameOf(req.method);
    const durationMs = nowMs() - startMs;
    logger.debug({ method, code, durationMs }, "call");
    metrics?.called(method, code, durationMs);
  };
  return (next) => async (req) => {
    const startMs = nowMs();
    try {
      const res = await next(req);
      if (res.stream) {
        const report = (error: unknown) => toConnectError(error, req);
        return { ...res, message: reportStream(res.message, report, (code) => recordEnd(req, code, startMs)) };
      }
      recordEnd(req, "ok", startMs);
      return res;
    } catch (error) {
      const failure = toConnectError(error, req);
      recordEnd(req, Code[failure.code], startMs);
      throw failure;
    }
  };
}

type Call = Parameters<ReturnType<Interceptor>>[0];

const names = new WeakMap<DescMethod, string>();

/** Returns the full name of a method. Stored, since every call asks for it. */
function nameOf(method: DescMethod): string {
  const stored = names.get(method);
  if (stored !== undefined) return stored;
  const name = `${method.parent.typeName}/${method.name}`;
  names.set(method, name);
  return name;
}

async function* reportStream<T>(
  messages: AsyncIterable<T>,
  toConnectError: (error: unknown) => ConnectError,
  recordEnd: (code: string) => void,
): AsyncIterable<T> {
  // Stays if the caller stops reading.
  let code: string = Code[Code.Canceled];
  try {
    yield* messages;
    code = "ok";
  } catch (error) {
    const failure = toConnectError(error);
    code = Code[failure.code];
    throw failure;
  } finally {
    recordEnd(code);
  }
}

/** Returns the error for the caller, or undefined for an unexpected one. */
function knownError(error: unknown, req: Call): ConnectError | undefined {
  if (error instanceof SessionError) return connectErrorOf(error);
  if (error instanceof StoreUnavailable)
    return connectErrorOf(new SessionError("STORE_UNAVAILABLE", "The store takes no writes"));
  if (error instanceof ConnectError) return error;
  const { signal } = req;
  // A call that its caller cancelled is no fault.
  const cut = error === signal.reason || (error instanceof Error && error.name === "AbortError");
  if (signal.aborted && cut) return ConnectError.from(signal.reason, Code.Canceled);
  return undefined;
}
