import type { Phone } from "../emulator/phone.ts";
import type { WhatsApp } from "../emulator/whatsapp.ts";
import type { RestClient } from "./rest-client.ts";

/** Many sessions, each paired with a phone of its own. */
export interface Fleet {
  readonly names: readonly string[];
  phoneOf(name: string): Phone;
}

/** Sessions that pair at the same time. */
const parallel = 24;

/** Creates sessions over REST and pairs each by QR. Resolves when all have paired and reconnected. */
export async function pairFleet(whatsapp: WhatsApp, rest: RestClient, count: number, config = {}): Promise<Fleet> {
  const names = Array.from({ length: count }, (_, i) => `s${i}`);
  const phones = new Map<string, Phone>();
  const waiting = names.values();
  const pairNext = async () => {
    for (const name of waiting) {
      const phone = whatsapp.phone();
      phones.set(name, phone);
      await rest.post("/api/sessions", { name, config });
      const device = await phone.scan(await rest.qrCode(name));
      await whatsapp.waitForLogin(device);
    }
  };
  await Promise.all(Array.from({ length: parallel }, pairNext));
  return {
    names,
    phoneOf(name) {
      const phone = phones.get(name);
      if (!phone) throw new Error(`${name} is not of this fleet`);
      return phone;
    },
  };
}

/** Returns the number of sessions with each status. */
export async function statusCounts(rest: RestClient): Promise<Record<string, number>> {
  const { body } = await rest.get("/api/sessions?all=true");
  const counts: Record<string, number> = {};
  for (const { status } of Object.values(body)) {
    counts[String(status)] = (counts[String(status)] ?? 0) + 1;
  }
  return counts;
}
