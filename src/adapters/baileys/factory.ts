import { Engine_Kind } from "../../../gen/sessiond/v1/session_pb.js";
import type { EngineFactory } from "../../ports/engine.ts";
import { LazyLibrary } from "../engine/lazy-library.ts";
import { openWhenLoaded } from "../engine/loading-engine.ts";
import { allowSlowAddresses } from "./address-attempts.ts";
import { silenceConsole } from "./console-silence.ts";
import type { Baileys } from "./library.ts";
import { type BaileysOptions, settingsOf } from "./settings.ts";

/**
 * Makes NOWEB engines: WhatsApp's multi-device protocol, spoken by Baileys, which is loaded for the first of them. Changes libsignal,
 * Node's connection timeout and its buffer pool for the whole process.
 */
export function createBaileysFactory(options: BaileysOptions): EngineFactory {
  silenceConsole();
  allowSlowAddresses();
  const settings = settingsOf(options);
  const { fastCurve = true } = options;
  const library = new LazyLibrary<Baileys>(async () => {
    const { prepareBaileys } = await import("./library.ts");
    return prepareBaileys(settings, fastCurve);
  });
  const abilities = ["pairingCodes", "sending", "messageFiles"] as const;
  return {
    kind: Engine_Kind.NOWEB,
    abilities,
    clientVersions: settings.versions,
    formerLogins: { restore: async (credentials) => (await library.load()).restoreFormerLogin(credentials) },
    preload: () => library.load(),
    open: (engineOptions) => openWhenLoaded(library, abilities, engineOptions),
    hasLogin: async (credentials) => (await library.load()).hasLogin(credentials),
  };
}
