import type { Interceptor } from "@connectrpc/connect";
import { SessionError } from "../../domain/errors.ts";

/** What open streams are counted for. */
export interface StreamLimitOptions {
  /** How many can be open at the same time. */
  readonly maxOpen: number;
  readonly memory: Memory;
}

/** The memory of the process. */
export interface Memory {
  /** Gives what is not used any more back to the system. */
  release(): void;
  /** Calls back once after a while, if the process lives that long. */
  schedule(delayMs: number, callback: () => void): void;
}

/** Fewer than these are not worth giving memory back for. */
const manyStreams = 1_000;
/** Clients that were cut off have come back by then. */
const reliefDelayMs = 5_000;

/** Refuses streams with TOO_MANY_STREAMS while as many are open as may be, and releases memory when most of many have ended. */
export function streamLimit({ maxOpen, memory }: StreamLimitOptions): Interceptor {
  let open = 0;
  let mostOpen = 0;
  let isReliefDue = false;

  function close(): void {
    open -= 1;
    if (isReliefDue || mostOpen < manyStreams || open > mostOpen / 2) return;
    isReliefDue = true;
    memory.schedule(reliefDelayMs, () => {
      isReliefDue = false;
      if (open > mostOpen / 2) return;
      mostOpen = open;
      memory.release();
    });
  }

  return (next) => async (req) => {
    if (req.method.methodKind === "unary") return next(req);
    if (open >= maxOpen) throw new SessionError("TOO_MANY_STREAMS", `No more than ${maxOpen} streams can be open`);
    open += 1;
    mostOpen = Math.max(mostOpen, open);
    // Aborted when the call ends, however it does.
    req.signal.addEventListener("abort", close, { once: true });
    return next(req);
  };
}
