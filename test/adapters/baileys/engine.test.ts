import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { ClientConfigSchema } from "../../../gen/sessiond/v1/session_pb.js";
import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { engineContract } from "../../contract/engine.ts";
import { EngineSession } from "../../contract/engine-session.ts";
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

describe("a NOWEB engine that pairs", () => {
  for (const [client, shown] of [
    [undefined, { device: "Server", browser: "CHROME" }],
    [
      { deviceName: "Kasse 2", browserName: "Firefox" },
      { device: "Kasse 2", browser: "FIREFOX" },
    ],
    [
      { deviceName: "", browserName: "Safari" },
      { device: "Server", browser: "SAFARI" },
    ],
  ] as const) {
    it(`is listed by the phone as ${shown.device}, ${shown.browser}`, async () => {
      const whatsapp = await startWhatsApp();
      const session = new EngineSession(
        createBaileysFactory({ clock: systemClock, waWebSocketUrl: whatsapp.url, deviceName: "Server" }),
      );
      if (client) session.config.client = create(ClientConfigSchema, client);
      try {
        await session.open().until("qr");
        assert.deepEqual(whatsapp.candidates[0]?.shown, shown);
      } finally {
        await session.close();
        await whatsapp.close();
      }
    });
  }
});
