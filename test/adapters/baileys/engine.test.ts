import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { engineContract } from "../../contract/engine.ts";
import { startWhatsApp } from "../../emulator/whatsapp.ts";

engineContract("NOWEB", async () => {
  const whatsapp = await startWhatsApp();
  const clock = systemClock;
  return {
    factory: ({ qrLifeMs } = {}) =>
      createBaileysFactory({ clock, waWebSocketUrl: whatsapp.url, qrTimeoutMs: qrLifeMs }),
    phone: () => whatsapp.phone(),
    refusePairingCodes: (refuse) => whatsapp.refuseLinkCodes(refuse ? "rate-overlimit" : null),
    // Port 1 is nobody's.
    unreachableFactory: () => createBaileysFactory({ clock, waWebSocketUrl: "ws://127.0.0.1:1/ws/chat" }),
    wrongCode: "WR0NGC0D",
    close: () => whatsapp.close(),
  };
});
