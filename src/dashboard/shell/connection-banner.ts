import type { ReadonlySignal } from "@preact/signals";
import { html } from "htm/preact";
import type { FeedState } from "../live/session-feed.ts";

/** Says that the connection is lost, until the page has caught up. */
export const ConnectionBanner = ({ state }: { state: ReadonlySignal<FeedState> }) => html`
  <div role="status" aria-live="polite">
    ${
      state.value === "lost" &&
      html`<p class="banner">Connection lost. What you see may be old. Trying to connect again …</p>`
    }
  </div>
`;
