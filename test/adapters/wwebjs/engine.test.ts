import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { createWwebjsFactory } from "../../../src/adapters/wwebjs/factory.ts";
import { engineContract } from "../../contract/engine.ts";
import { startWhatsAppWeb } from "../../emulator/wwebjs/whatsapp-web.ts";
import { chromePath } from "./webjs-fixture.ts";

engineContract("WEBJS", async () => {
  const whatsapp = await startWhatsAppWeb();
  const directory = await mkdtemp(join(tmpdir(), "webjs-contract-"));
  let factories = 0;
  const factory = (extraArgs: readonly string[], qrTimeoutMs?: number) => {
    factories += 1;
    // The contract's sessions all have one name.
    const profilesDirectory = join(directory, String(factories));
    return createWwebjsFactory({ clock: systemClock, chromePath, profilesDirectory, extraArgs, qrTimeoutMs });
  };
  return {
    factory: ({ qrLifeMs } = {}) => {
      whatsapp.refLifeMs = qrLifeMs ?? null;
      return factory(whatsapp.chromeArgs, qrLifeMs);
    },
    phone: () => whatsapp.phone(),
    refusePairingCodes: (refuse) => whatsapp.refuseLinkCodes(refuse ? "rate-overlimit" : null),
    // Port 1 is nobody's.
    unreachableFactory: () => factory(["--host-resolver-rules=MAP * 127.0.0.1:1"]),
    wrongCode: "WR0NGC0D",
    close: async () => {
      await whatsapp.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
});
