import { setTimeout as delay } from "node:timers/promises";
import { openHarness } from "../e2e/harness.ts";
import { restingRssKb } from "./memory.ts";
import { print, settings } from "./session-goals.ts";

const parallel = 4;
const messages = 5;
const goalMb = 180;
const pollMs = 50;

/** Memory after whole lives of sessions: create, pair, five messages, restart, log out and delete; four sessions at a time. */
export async function measureLives(count: number): Promise<void> {
  await using it = await openHarness({ SESSIOND_CONNECTS_PER_SECOND: "200", ...settings.tuned });
  const { whatsapp, server, rest, config } = it;
  const friend = whatsapp.phone();

  // Streams would add their own memory.
  async function isNow(name: string, status: string): Promise<void> {
    while ((await rest.get(`/api/sessions/${name}`)).body.status !== status) await delay(pollMs);
  }

  async function codeOf(name: string): Promise<string> {
    await isNow(name, "SCAN_QR_CODE");
    return String((await rest.get(`/api/${name}/auth/qr?format=raw`)).body.value);
  }

  async function live(name: string): Promise<void> {
    const phone = whatsapp.phone();
    await rest.post("/api/sessions", { name, config });
    const device = await phone.scan(await codeOf(name));
    await whatsapp.waitForLogin(device);
    await isNow(name, "WORKING");
    for (let n = 0; n < messages; n += 1) await friend.sendTextTo(phone, `message ${n}`);
    await whatsapp.until(() => device.stored.size === 0, "the messages");
    await rest.post(`/api/sessions/${name}/restart`);
    await isNow(name, "WORKING");
    await rest.post(`/api/sessions/${name}/logout`);
    await rest.delete(`/api/sessions/${name}`);
  }

  const names = Array.from({ length: count }, (_, n) => `life${n}`).values();
  const rows: Record<string, string>[] = [];
  let done = 0;
  const liveNext = async () => {
    for (const name of names) {
      await live(name);
      done += 1;
      if (done % Math.ceil(count / 10) !== 0) continue;
      const rssMb = (await restingRssKb(server.pid ?? 0, 1)) / 1_024;
      rows.push({ lives: String(done), "RSS MB": rssMb.toFixed(0) });
    }
  };
  await Promise.all(Array.from({ length: parallel }, liveNext));
  console.table(rows);
  const rssMb = (await restingRssKb(server.pid ?? 0, 8)) / 1_024;
  print(`${count} whole lives, ${parallel} at a time: RSS MB`, rssMb, goalMb);
}
