import { createBaileysFactory } from "../adapters/baileys/factory.ts";
import { NowebVersions } from "../adapters/baileys/noweb-versions.ts";
import { createConnectRelief } from "../adapters/node/memory.ts";
import { createLazyFetcher } from "../adapters/undici/lazy-fetcher.ts";
import { createLinkPreviews, previewLimitMs } from "../adapters/undici/link-previews.ts";
import { createWwebjsFactory } from "../adapters/wwebjs/factory.ts";
import type { Config } from "../config/config.ts";
import type { EngineFactory } from "../ports/engine.ts";
import { type AccessRules, fetcherOptionsOf } from "./access-rules.ts";
import type { Overrides, Tools } from "./overrides.ts";
import type { Watchdog } from "./watchdog.ts";

/** The engines that sessions can run on. */
export interface Engines {
  readonly factories: readonly EngineFactory[];
  /** Returns the path of the browser for WEBJS; undefined if there is none. */
  browser(): Promise<string | undefined>;
  /** Ends look-ups of client versions and links. */
  close(): Promise<void>;
}

/** Creates both engines, unless a test brings its own. The first that opens starts the watchdog. */
export async function createEngines(
  directory: string,
  config: Config,
  tools: Tools,
  overrides: Overrides,
  watchdog: Watchdog,
  rules: AccessRules,
): Promise<Engines> {
  const noteConnection = createConnectRelief();
  const watched = (factory: EngineFactory): EngineFactory => ({
    ...factory,
    open(options) {
      watchdog.start();
      noteConnection();
      return factory.open(options);
    },
  });
  if (overrides.engines) {
    return { factories: overrides.engines.map(watched), browser: async () => undefined, close: async () => {} };
  }
  const versions = await openVersions(directory, config, tools);
  const { clock } = tools;
  const { deviceName, browserName } = config;
  const pages = createLazyFetcher({ ...fetcherOptionsOf(rules, tools), limitMs: previewLimitMs });
  const noweb = createBaileysFactory({
    clock,
    versions,
    previews: createLinkPreviews({ clock, fetcher: pages }),
    waWebSocketUrl: config.nowebUrl,
    fastCurve: config.nowebFastCurve,
    deviceName,
    browserName,
  });
  const webjs = createWwebjsFactory({
    clock,
    profilesDirectory: `${directory}/webjs`,
    chromePath: config.chromePath,
    searchPath: config.searchPath,
    extraArgs: config.chromeArgs,
    deviceName,
    browserName,
  });
  return {
    factories: [noweb, webjs].map(watched),
    browser: webjs.browser,
    async close() {
      versions.close();
      await pages.close();
    },
  };
}

function openVersions(directory: string, { nowebVersion, nowebVersionUrl, nowebUrl }: Config, tools: Tools) {
  const { clock, logger } = tools;
  return NowebVersions.open({
    setting: nowebVersion,
    url: nowebVersionUrl,
    // An address in place of WhatsApp's has its own versions.
    unasked: nowebUrl === undefined || nowebVersionUrl !== undefined,
    file: `${directory}/noweb-version.json`,
    clock,
    logger,
  });
}
