/**
 * Signals that abort with a call or when the server stops. An AbortSignal compares a new listener with all that it has: ten thousand
 * streams that listened to the same one would take seconds to open.
 */
export class CallSignals {
  readonly #shutdown: AbortSignal | undefined;
  readonly #open = new Set<AbortController>();

  constructor(shutdown: AbortSignal | undefined) {
    this.#shutdown = shutdown;
    shutdown?.addEventListener("abort", () => {
      for (const controller of this.#open) controller.abort(shutdown.reason);
      this.#open.clear();
    });
  }

  /** Returns a signal that aborts once `call` aborts, as it must at the end of the call, or once the server stops. */
  following(call: AbortSignal): AbortSignal {
    const ended = [call, this.#shutdown].find((signal) => signal?.aborted);
    if (ended !== undefined) return AbortSignal.abort(ended.reason);
    const controller = new AbortController();
    this.#open.add(controller);
    const end = () => {
      this.#open.delete(controller);
      controller.abort(call.reason);
    };
    call.addEventListener("abort", end, { once: true });
    return controller.signal;
  }
}
