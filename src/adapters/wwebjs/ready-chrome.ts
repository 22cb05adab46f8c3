import type { Logger } from "../../ports/system.ts";
import { EngineEnd } from "../engine/close-cause.ts";
import type { LaunchOptions } from "./browser.ts";
import { chromeMissing, findChrome, sandboxObstacle } from "./chrome.ts";
import type { Settings } from "./settings.ts";

/** Finds and unpacks the browser to launch, and decides whether it uses its sandbox. Rejects with EngineEnd if there is none. */
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

/** Checks and logs once per process. */
function sandboxWorks(logger: Logger): Promise<boolean> {
  sandbox ??= sandboxObstacle().then((obstacle) => {
    if (obstacle) logger.warn({}, `${obstacle}: browsers run without it`);
    return obstacle === undefined;
  });
  return sandbox;
}
