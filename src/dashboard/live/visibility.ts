import { aborted } from "./signals.ts";

/** Runs `work` again and again, each time for as long as the page is visible: hidden tabs hold no connections. Ends with `signal`. */
export async function whileVisible(signal: AbortSignal, work: (visible: AbortSignal) => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await becomesVisible(signal);
    if (signal.aborted) return;
    const hidden = new AbortController();
    const onChange = () => {
      if (document.hidden) hidden.abort();
    };
    document.addEventListener("visibilitychange", onChange);
    const visible = AbortSignal.any([signal, hidden.signal]);
    try {
      await Promise.all([work(visible), aborted(visible)]);
    } finally {
      document.removeEventListener("visibilitychange", onChange);
    }
  }
}

function becomesVisible(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const check = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", check);
      signal.removeEventListener("abort", check);
      resolve();
    };
    document.addEventListener("visibilitychange", check);
    signal.addEventListener("abort", check);
    check();
  });
}
