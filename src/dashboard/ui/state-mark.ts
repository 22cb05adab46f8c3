import { html } from "htm/preact";

/** Word, shape and colour of a state. The colours are those of statuses. */
export interface StateWords {
  readonly label: string;
  readonly shape: string;
  readonly tone: "WORKING" | "SCAN_QR_CODE" | "STARTING" | "FAILED" | "STOPPED";
}

/** Shows a state by word, shape and colour. */
export const StateMark = ({ words: { label, shape, tone } }: { words: StateWords }) =>
  html`<span class="status" data-status=${tone}><span aria-hidden="true">${shape}</span> ${label}</span>`;
