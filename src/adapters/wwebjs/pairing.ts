import { PairingCodeRefused, type PairingCodes } from "../../ports/engine.ts";
import type { EngineLife } from "../engine/engine-life.ts";
import { noCodeInTime, notPairing } from "../engine/pairing.ts";
import type { WebClient } from "./client.ts";
import { textOf } from "./close-cause.ts";

/** Returns the ability to ask for pairing codes. `target` returns the page that waits for a phone, if there is one. */
export function pairingCodesOf(target: () => WebClient | undefined, life: EngineLife, limitMs: number): PairingCodes {
  return {
    async request(phoneNumber) {
      const client = target();
      if (!client) throw notPairing();
      const asked = client.pairingCode(phoneNumber).catch((error: unknown) => {
        throw new PairingCodeRefused(`WhatsApp gave no pairing code: ${textOf(error)}`);
      });
      const code = await life.within(limitMs, asked);
      if (!code) throw noCodeInTime();
      return code;
    },
  };
}
