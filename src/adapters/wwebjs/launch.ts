import type { Chrome, LaunchOptions } from "./browser.ts";
import { browserEnded, type Closed, EngineEnd, notStarted, pageCrashed } from "./close-cause.ts";
import type { Profile } from "./profile.ts";
import type { Settings } from "./settings.ts";

/** The libraries' own limits tell more than ours, so they come first. */
export const graceMs = 1_000;

/** What a browser is started with. */
export interface Launch {
  readonly profile: Profile;
  readonly found: Pick<LaunchOptions, "place" | "sandbox">;
  readonly proxyArgs: readonly string[];
  readonly signal: AbortSignal;
}

/** Starts a browser on a profile. Rejects with EngineEnd. */
export async function launchChrome(settings: Settings, { profile, found, proxyArgs, signal }: Launch): Promise<Chrome> {
  const { Chrome } = await import("./browser.ts");
  const { launchTimeoutMs, pageTimeoutMs, extraArgs = [] } = settings;
  const launching = Chrome.launch({
    ...found,
    profileDirectory: profile.directory,
    temporaryDirectory: profile.temporaryDirectory,
    args: [...proxyArgs, ...extraArgs],
    timeoutMs: launchTimeoutMs,
    // The library waits in the page until it has connected.
    protocolTimeoutMs: pageTimeoutMs + graceMs,
    signal,
  });
  return launching.catch((error: unknown) => {
    throw new EngineEnd(notStarted, error);
  });
}

/** Reports the end of a browser, and of any page in it: one that dies before it is attached to would be waited for. */
export async function watchBrowser({ browser }: Chrome, onEnd: (closed: Closed) => void): Promise<void> {
  browser.on("disconnected", () => onEnd(browserEnded));
  const devtools = await browser.target().createCDPSession();
  devtools.on("Target.targetCrashed", () => onEnd(pageCrashed));
  await devtools.send("Target.setDiscoverTargets", { discover: true });
}
