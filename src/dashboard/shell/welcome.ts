import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { loadLoginOptions } from "../api/access.ts";
import { pause } from "../live/signals.ts";

const retryMs = 2_000;

/** Shown until the server has said whether this browser has a login. */
export const Welcome = () => {
  const [isUnreachable, setUnreachable] = useState(false);
  useEffect(() => {
    const closed = new AbortController();
    void askUntilAnswered(closed.signal, () => setUnreachable(true));
    return () => closed.abort();
  }, []);
  return html`
    <main class="login">
      <h1>sessiond</h1>
      <p role="status">${isUnreachable ? "The server cannot be reached. Trying again …" : "Loading …"}</p>
    </main>
  `;
};

async function askUntilAnswered(signal: AbortSignal, onFailure: () => void): Promise<void> {
  while (!signal.aborted) {
    try {
      await loadLoginOptions();
      return;
    } catch {
      onFailure();
      await pause(retryMs, signal);
    }
  }
}
