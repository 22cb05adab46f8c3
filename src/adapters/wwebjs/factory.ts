import { Engine_Kind } from "../../../gen/sessiond/v1/session_pb.js";
import type { EngineFactory } from "../../ports/engine.ts";
import { chromeMissing, findChrome } from "./chrome.ts";
import { WwebjsEngine } from "./engine.ts";
import { hasLogin } from "./login.ts";
import { archiveProfile, moveProfile, removeProfiles } from "./profile.ts";
import { settingsOf, type WwebjsOptions } from "./settings.ts";

/** A factory that also tells which browser its engines run. */
export interface WwebjsFactory extends EngineFactory {
  /** Returns the path of the browser that engines run now; undefined if there is none. */
  browser(): Promise<string | undefined>;
}

/** Makes WEBJS engines: WhatsApp Web in one browser per session. Loads the libraries when the first engine opens. */
export function createWwebjsFactory(options: WwebjsOptions): WwebjsFactory {
  const settings = settingsOf(options);
  /** Resolve when a session's last engine is gone: two browsers in one profile would damage it. */
  const present = new Map<string, Promise<void>>();
  return {
    kind: Engine_Kind.WEBJS,
    abilities: ["pairingCodes", "screenshots", "sending"],
    browser: async () => (await findChrome(settings))?.path,
    obstacle: async () => ((await findChrome(settings)) ? undefined : chromeMissing(settings)),
    open(engineOptions) {
      const { session } = engineOptions;
      const engine = new WwebjsEngine(settings, engineOptions, present.get(session) ?? Promise.resolve());
      const { gone } = engine;
      present.set(session, gone);
      void gone.then(() => {
        if (present.get(session) === gone) present.delete(session);
      });
      return engine;
    },
    hasLogin,
    files: {
      async setAside(session, id, credentials) {
        await present.get(session);
        await moveProfile(settings.profilesDirectory, [session, id], credentials);
      },
      async pack(session, credentials, archive) {
        await present.get(session);
        await archiveProfile(settings.profilesDirectory, session, credentials, archive);
      },
      async discard(session) {
        await present.get(session);
        await removeProfiles(settings.profilesDirectory, session);
      },
    },
  };
}
