import { type Closed, EngineEnd } from "../engine/close-cause.ts";
import type { EngineLife } from "../engine/engine-life.ts";
import type { Chrome, LaunchOptions } from "./browser.ts";
import { browserEnded, launchedLate, notStarted, pageCrashed } from "./close-cause.ts";
import type { Profile } from "./profile.ts";
import type { Settings } from "./settings.ts";

/** The errors of the libraries' own timeouts tell more, so the engine's deadlines come this much later. */
export const graceMs = 1_000;

/** Parts of a browser's start that belong to one engine. */
export interface Launch {
  readonly profile: Profile;
  readonly found: Pick<LaunchOptions, "place" | "sandbox">;
  readonly proxyArgs: readonly string[];
}

/**
 * Starts a browser on a profile once few enough others are starting, and within a deadline of the engine's life. Closes the browser
 * when the engine begins to end, so that no wait for its page goes on. Rejects with EngineEnd.
 */
export async function launchChrome(settings: Settings, launch: Launch, life: EngineLife): Promise<Chrome> {
  const { signal } = life;
  const releasePermit = await settings.launches.acquire(signal);
  try {
    life.setDeadline(settings.launchTimeoutMs + graceMs, () => launchedLate);
    const chrome = await startChrome(settings, launch, signal);
    signal.addEventListener("abort", () => void chrome.close().catch(() => {}), { once: true });
    return chrome;
  } finally {
    releasePermit();
  }
}

async function startChrome(settings: Settings, launch: Launch, signal: AbortSignal): Promise<Chrome> {
  const { Chrome } = await import("./browser.ts");
  const { found, profile, proxyArgs } = launch;
  const { launchTimeoutMs, pageTimeoutMs, extraArgs = [] } = settings;
  try {
    return await Chrome.launch({
      ...found,
      profileDirectory: profile.directory,
      temporaryDirectory: profile.temporaryDirectory,
      args: [...proxyArgs, ...extraArgs],
      timeoutMs: launchTimeoutMs,
      // The library waits in the page until the page has connected.
      protocolTimeoutMs: pageTimeoutMs + graceMs,
      signal,
    });
  } catch (error) {
    throw new EngineEnd(notStarted, error);
  }
}

/** Reports the end of a browser and of any page in it, also of a page that the engine has not attached to yet. */
export async function watchBrowser({ browser }: Chrome, onEnd: (closed: Closed) => void): Promise<void> {
  browser.on("disconnected", () => onEnd(browserEnded));
  const devtools = await browser.target().createCDPSession();
  devtools.on("Target.targetCrashed", () => onEnd(pageCrashed));
  await devtools.send("Target.setDiscoverTargets", { discover: true });
}
