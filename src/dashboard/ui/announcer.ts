import { signal } from "@preact/signals";
import { html } from "htm/preact";

const text = signal("");

/** Has a sentence read out by screen readers. */
export function announce(sentence: string): void {
  text.value = sentence;
}

/** The region whose changes screen readers read out. */
export const Announcer = () => html`<div class="visually-hidden" aria-live="polite" role="status">${text}</div>`;
