import type { Interceptor } from "@connectrpc/connect";
import { SessionError } from "../../domain/errors.ts";

/** Options of the limit of open streams. */
export interface StreamLimitOptions {
  /** Streams that can be open at the same time, at most. */
  readonly maxOpen: number;
  /** Called with the number of open streams whenever it has changed. */
  onChange?(open: number): void;
}

/** Refuses a stream with TOO_MANY_STREAMS while `maxOpen` are open. */
export function streamLimit({ maxOpen, onChange }: StreamLimitOptions): Interceptor {
  let open = 0;
  const add = (change: 1 | -1) => {
    open += change;
    onChange?.(open);
  };
  const close = () => add(-1);
  // Throws if no more can be open. The signal aborts when the call ends, for whatever reason.
  const enter = (signal: AbortSignal) => {
    if (open >= maxOpen) throw new SessionError("TOO_MANY_STREAMS", `No more than ${maxOpen} streams can be open`);
    add(1);
    signal.addEventListener("abort", close, { once: true });
  };
  return (next) => {
    const limited: typeof next = async (req) => {
      enter(req.signal);
      return next(req);
    };
    return (req) => (req.stream ? limited(req) : next(req));
  };
}
