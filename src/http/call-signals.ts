const callbacksOf = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls back once `signal` aborts, unless the returned function is called before. An AbortSignal compares a new listener with all that it
 * has, so that ten thousand calls that listened to the same one would take seconds to begin.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const callbacks = callbacksOf.get(signal) ?? new Set();
  if (!callbacksOf.has(signal)) {
    callbacksOf.set(signal, callbacks);
    const callAll = () => {
      for (const one of callbacks) one();
    };
    signal.addEventListener("abort", callAll, { once: true });
  }
  callbacks.add(callback);
  return () => void callbacks.delete(callback);
}

/** Returns a signal that aborts once `call` aborts, as it must at the end of the call, or once the server stops. */
export function callSignal(call: AbortSignal, shutdown: AbortSignal | undefined): AbortSignal {
  if (shutdown === undefined) return call;
  const ended = [call, shutdown].find(({ aborted }) => aborted);
  if (ended !== undefined) return AbortSignal.abort(ended.reason);
  const controller = new AbortController();
  const forget = onAbort(shutdown, () => controller.abort(shutdown.reason));
  const end = () => {
    forget();
    controller.abort(call.reason);
  };
  call.addEventListener("abort", end, { once: true });
  return controller.signal;
}
