import { html } from "htm/preact";
import type { Polled } from "./polled.ts";

type Loaded = Pick<Polled<unknown>, "value" | "fault" | "refresh">;

/** Says that a value is being loaded, that it cannot be loaded, or that it may be old. Shows nothing if all is well. */
export const LoadState = ({ polled, label }: { polled: Loaded; label: string }) => {
  const fault = polled.fault.value;
  const hasValue = polled.value.value !== undefined;
  if (fault === "") return hasValue ? html`` : html`<p class="empty" role="status">Loading ${label} …</p>`;
  return html`
    <p class=${hasValue ? "fault stale" : "empty"} role="alert">
      ${fault} ${hasValue && "What you see may be old."}
      <button type="button" onClick=${polled.refresh}>Try again</button>
    </p>
  `;
};
