import { nodeFrozen } from "../domain/errors.ts";
import type { Standing } from "../ports/cluster.ts";

/**
 * Begins a command, unless the node is frozen. If it freezes meanwhile, the caller is told at once, and the command takes its effect, as
 * a whole, when the store can be reached again.
 */
export function unlessFrozen<T>(standing: Standing | undefined, begin: () => Promise<T>): Promise<T> {
  if (!standing) return begin();
  if (standing.isFrozen) return Promise.reject(nodeFrozen());
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const cancel = standing.onFreeze(() => reject(nodeFrozen()));
  begin().then(resolve, reject).finally(cancel);
  return promise;
}

/** Resolves with true once the node is not frozen, or with false if its sessions were taken or the signal comes first. */
export async function isThawed(standing: Standing | undefined, signal: AbortSignal): Promise<boolean> {
  while (standing?.isFrozen && !signal.aborted) {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const stop = () => resolve(false);
    signal.addEventListener("abort", stop, { once: true });
    standing.thawed().then(() => resolve(true), stop);
    const thawed = await promise;
    signal.removeEventListener("abort", stop);
    if (!thawed) return false;
  }
  return !signal.aborted;
}
