import { Engine_Kind } from "../../../gen/sessiond/v1/session_pb.js";
import type { EngineFactory } from "../../ports/engine.ts";
import { LazyLibrary } from "../engine/lazy-library.ts";
import { openWhenLoaded } from "../engine/loading-engine.ts";
import { chromeMissing, findChrome } from "./chrome.ts";
import type { Wwebjs } from "./library.ts";
import { settingsOf, type WwebjsOptions } from "./settings.ts";

/** A factory that also tells which browser its engines run. */
export interface WwebjsFactory extends EngineFactory {
  /** Returns the path of the browser that engines run now; undefined if there is none. */
  browser(): Promise<string | undefined>;
}

/** Makes WEBJS engines: WhatsApp Web in one browser per session. Their code and libraries are loaded for the first of them. */
export function createWwebjsFactory(options: WwebjsOptions): WwebjsFactory {
  const settings = settingsOf(options);
  const library = new LazyLibrary<Wwebjs>(async () => (await import("./library.ts")).prepareWwebjs(settings));
  const abilities = ["pairingCodes", "screenshots", "sending", "messageFiles"] as const;
  return {
    kind: Engine_Kind.WEBJS,
    abilities,
    browser: async () => (await findChrome(settings))?.path,
    obstacle: async () => ((await findChrome(settings)) ? undefined : chromeMissing(settings)),
    open: (engineOptions) => openWhenLoaded(library, abilities, engineOptions),
    hasLogin: async (credentials) => (await library.load()).hasLogin(credentials),
    files: {
      setAside: async (...parts) => (await library.load()).files.setAside(...parts),
      pack: async (...parts) => (await library.load()).files.pack(...parts),
      discard: async (session) => (await library.load()).files.discard(session),
    },
  };
}
