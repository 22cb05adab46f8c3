import { type ReadonlySignal, signal } from "@preact/signals";

/** Returns whether a media query holds, as a signal. */
export function mediaSignal(query: string): ReadonlySignal<boolean> {
  const list = matchMedia(query);
  const matches = signal(list.matches);
  list.addEventListener("change", () => {
    matches.value = list.matches;
  });
  return matches;
}

/** Phones and narrow windows. style.css has the same limit. */
export const isNarrow = mediaSignal("(max-width: 720px)");
