import { Engine_Kind } from "../../../gen/sessiond/v1/session_pb.js";
import type { EngineFactory } from "../../ports/engine.ts";
import { chromeMissing, findChrome } from "./chrome.ts";
import { WwebjsEngine } from "./engine.ts";
import { hasLogin, moveProfile, removeProfiles } from "./profile.ts";
import { settingsOf, type WwebjsOptions } from "./settings.ts";

/** A factory that can name its engines' browser. */
export interface WwebjsFactory extends EngineFactory {
  /** The path of the browser that engines run now; undefined if there is none. */
  browser(): Promise<string | undefined>;
}

/** Makes WEBJS engines: WhatsApp Web in a browser of its own for each session. The libraries are loaded when the first one opens. */
export function createWwebjsFactory(options: WwebjsOptions): WwebjsFactory {
  const settings = settingsOf(options);
  /** Engines that are not quite gone: two browsers in one profile would ruin it. */
  const present = new Map<string, Promise<void>>();
  return {
    kind: Engine_Kind.WEBJS,
    capabilities: { screenshot: true },
    browser: async () => (await findChrome(settings))?.path,
    obstacle: async () => ((await findChrome(settings)) ? undefined : chromeMissing(settings)),
    open(engineOptions) {
      const { session } = engineOptions;
      const engine = new WwebjsEngine(settings, engineOptions, present.get(session) ?? Promise.resolve());
      present.set(session, engine.gone);
      void engine.gone.then(() => {
        if (present.get(session) === engine.gone) present.delete(session);
      });
      return engine;
    },
    hasLogin,
    async setAside(session, id, credentials) {
      await present.get(session);
      await moveProfile(settings.profilesDirectory, [session, id], credentials);
    },
    async discard(session) {
      await present.get(session);
      await removeProfiles(settings.profilesDirectory, session);
    },
  };
}
