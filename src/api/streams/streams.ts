import type { HandlerContext } from "@connectrpc/connect";
import type { Authentication } from "../authentication.ts";
import { connectErrorOf } from "../errors.ts";
import type { LiveStreamOptions, StreamPolicy } from "./live-stream.ts";

/** Options of all streams. */
export interface StreamsOptions {
  readonly policy: StreamPolicy;
  readonly clock: LiveStreamOptions<unknown>["clock"];
  readonly authentication: Pick<Authentication, "readerOf">;
}

/** Creates the options of single streams. */
export class Streams {
  readonly #options: StreamsOptions;

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  /** For a stream that begins now: as long as it lives, its reader must still be admitted. */
  optionsFor({ method, requestHeader, signal }: Pick<HandlerContext, "method" | "requestHeader" | "signal">) {
    const { policy, clock, authentication } = this.#options;
    const reader = authentication.readerOf(method, requestHeader);
    const check = () => reader.check();
    if (reader.onEnd === undefined) return { policy, clock, signal, check };
    return { policy, clock, signal: endingWith(reader.onEnd, signal), check };
  }
}

/** Returns a signal that aborts with `signal`, or with the reader's refusal once `onEnd` calls back. */
function endingWith(onEnd: NonNullable<ReturnType<Authentication["readerOf"]>["onEnd"]>, signal: AbortSignal) {
  const ending = new AbortController();
  const cancel = onEnd((reason) => ending.abort(connectErrorOf(reason)));
  const end = () => {
    cancel();
    ending.abort(signal.reason);
  };
  // The signal of a call aborts when the call ends, for whatever reason.
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
  return ending.signal;
}
