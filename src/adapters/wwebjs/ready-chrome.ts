import type { Logger } from "../../ports/system.ts";
import type { LaunchOptions } from "./browser.ts";
import { chromeMissing, findChrome, sandboxObstacle } from "./chrome.ts";
import { EngineEnd } from "./close-cause.ts";
import type { Settings } from "./settings.ts";

/** The browser to launch, unpacked if need be, and whether in its sandbox. Rejects with EngineEnd if there is none. */
export async function readyChrome(
  settings: Settings,
  logger: Logger,
): Promise<Pick<LaunchOptions, "place" | "sandbox">> {
  const place = await findChrome(settings);
  if (!place) {
    throw new EngineEnd({ cause: "engine_crashed", message: `WEBJS cannot run: ${chromeMissing(settings)}` });
  }
  await place.ready();
  return { place, sandbox: await sandboxWorks(logger) };
}

let sandbox: Promise<boolean> | undefined;

/** Looked at once, and told once. */
function sandboxWorks(logger: Logger): Promise<boolean> {
  sandbox ??= sandboxObstacle().then((obstacle) => {
    if (obstacle) logger.warn({}, `${obstacle}: browsers run without it`);
    return obstacle === undefined;
  });
  return sandbox;
}
