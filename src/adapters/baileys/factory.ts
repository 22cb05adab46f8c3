import { Engine_Kind } from "../../../gen/sessiond/v1/session_pb.js";
import type { EngineFactory } from "../../ports/engine.ts";
import { allowSlowAddresses } from "./address-attempts.ts";
import { silenceConsole } from "./console-silence.ts";
import { installFastCurve } from "./curve.ts";
import { BaileysEngine } from "./engine.ts";
import { hasLogin, restoreFormerLogin } from "./login.ts";
import { type BaileysOptions, settingsOf } from "./settings.ts";
import { installSignalJobs } from "./signal-jobs.ts";

/**
 * Makes NOWEB engines: WhatsApp's multi-device protocol, spoken by Baileys. Changes libsignal and Node's connection timeout for the
 * whole process.
 */
export function createBaileysFactory(options: BaileysOptions): EngineFactory {
  silenceConsole();
  allowSlowAddresses();
  installSignalJobs();
  if (options.fastCurve ?? true) installFastCurve();
  const settings = settingsOf(options);
  return {
    kind: Engine_Kind.NOWEB,
    abilities: ["pairingCodes"],
    clientVersions: settings.versions,
    formerLogins: { restore: restoreFormerLogin },
    open: (engineOptions) => new BaileysEngine(settings, engineOptions),
    hasLogin,
  };
}
