import { type ReadonlySignal, signal } from "@preact/signals";

const marked = signal<ReadonlySet<string>>(new Set());

/** Names of the sessions that the person has selected. Only those that pass the filter count. */
export const markedSessions: ReadonlySignal<ReadonlySet<string>> = marked;

/** Selects sessions, or takes them out of the selection. */
export function markSessions(names: Iterable<string>, isMarked: boolean): void {
  const next = new Set(marked.peek());
  for (const name of names) {
    if (isMarked) next.add(name);
    else next.delete(name);
  }
  marked.value = next;
}

/** Takes all sessions out of the selection. */
export function clearMarks(): void {
  marked.value = new Set();
}
