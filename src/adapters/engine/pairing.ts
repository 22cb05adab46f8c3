import { PairingCodeRefused } from "../../ports/engine.ts";

/** Refuses a pairing code while the engine shows no code to scan. */
export const notPairing = () => new PairingCodeRefused("The session does not wait for a phone");

/** Refuses a pairing code that WhatsApp has not confirmed in time. */
export const noCodeInTime = () => new PairingCodeRefused("WhatsApp did not answer the request for a pairing code");
