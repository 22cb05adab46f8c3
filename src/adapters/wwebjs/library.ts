import type { EngineFiles, EngineOptions } from "../../ports/engine.ts";
import { WwebjsEngine } from "./engine.ts";
import { hasLogin } from "./login.ts";
import { archiveProfile, moveProfile, removeProfiles } from "./profile.ts";
import type { Settings } from "./settings.ts";

/** The parts of WEBJS that are loaded for the first session. */
export type Wwebjs = ReturnType<typeof prepareWwebjs>;

/** Returns the functions that open engines and handle their files. */
export function prepareWwebjs(settings: Settings) {
  const { profilesDirectory } = settings;
  /** Resolve when a session's last engine is gone: two browsers in one profile would damage it. */
  const present = new Map<string, Promise<void>>();
  return {
    open(options: EngineOptions) {
      const { session } = options;
      const engine = new WwebjsEngine(settings, options, present.get(session) ?? Promise.resolve());
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
        await moveProfile(profilesDirectory, [session, id], credentials);
      },
      async pack(session, credentials, archive) {
        await present.get(session);
        await archiveProfile(profilesDirectory, session, credentials, archive);
      },
      async discard(session) {
        await present.get(session);
        await removeProfiles(profilesDirectory, session);
      },
    } satisfies EngineFiles,
  };
}
