/**
 * Memory and time of the server while a file of 100 MB goes through it on NOWEB, with the settings of `npm start`: fetched from a URL and sent,
 * and fetched from WhatsApp by `media.url`. WhatsApp and the callers run in this process. Exits with 1 if the memory grows by more than 8 MB.
 *
 * `node test/bench/media.ts [--mb=100] [--rounds=3]`. The first file of each way is smaller and not counted: it loads code.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { openHarness } from "../e2e/harness.ts";
import { sendContent } from "../emulator/messages.ts";
import { rssKb } from "./memory.ts";
import { print, settings } from "./session-goals.ts";

const { values } = parseArgs({
  options: { mb: { type: "string", default: "100" }, rounds: { type: "string", default: "3" } },
});
const [mb, rounds] = [values.mb, values.rounds].map(Number);
const goalMb = 8;
const sampleMs = 20;
const mebibyte = 1024 * 1024;

await using harness = await openHarness({
  ...settings.tuned,
  SESSIOND_CONNECTS_PER_SECOND: "200",
  SESSIOND_WEBHOOK_ALLOW: "127.0.0.1",
});
const { whatsapp, rest, server, hook, config } = harness;
await rest.post("/api/sessions", { name: "alice", config });
const phone = whatsapp.phone();
await phone.scan(await rest.qrCode("alice"));
await rest.untilStatus("alice", "WORKING");
const bob = whatsapp.phone();
whatsapp.media.keepsFiles = false;

let size = 0;
const files = createServer((_, response) => {
  response.writeHead(200, { "content-length": size });
  const piece = Buffer.alloc(64 * 1024, "x");
  let left = size;
  const write = () => {
    while (left > 0) {
      const part = piece.subarray(0, left);
      left -= part.length;
      if (!response.write(part)) return void response.once("drain", write);
    }
    response.end();
  };
  write();
}).listen(0, "127.0.0.1");
await once(files, "listening");
const url = () => `http://127.0.0.1:${(files.address() as AddressInfo).port}/`;

/** Runs `work`; returns its time, and the growth of the server's memory at its highest. */
async function measure(work: () => Promise<void>): Promise<{ seconds: number; growthMb: number }> {
  const rss = async () => ((await rssKb(server.pid ?? 0)) * 1_024) / mebibyte;
  const before = await rss();
  let highest = before;
  const timer = setInterval(async () => {
    highest = Math.max(highest, await rss());
  }, sampleMs);
  const startedAt = performance.now();
  await work();
  clearInterval(timer);
  return { seconds: (performance.now() - startedAt) / 1_000, growthMb: highest - before };
}

async function sendOne(bytes: number): Promise<void> {
  size = bytes;
  const file = { mimetype: "application/octet-stream", filename: "x.bin", url: url() };
  const { status, body } = await rest.post("/api/sendFile", { session: "alice", chatId: `${bob.number}@c.us`, file });
  if (status !== 201) throw new Error(`the server answered ${status}: ${JSON.stringify(body)}`);
  await bob.nextMessage();
}

async function fetchOne(bytes: number): Promise<void> {
  const fields = whatsapp.media.store("documentMessage", Buffer.alloc(bytes, "y"), "application/octet-stream");
  const id = await sendContent(whatsapp, bob, phone, { documentMessage: fields });
  const told = () => hook.taken.find(({ body }) => String(body.payload.id).includes(id));
  await hook.until(() => told() !== undefined);
  const shown: { readonly url?: unknown } = Object(told()?.body.payload.media);
  const response = await fetch(server.baseUrl + new URL(String(shown.url)).pathname);
  let read = 0;
  for await (const part of response.body ?? []) read += part.length;
  if (read !== bytes) throw new Error(`${read} bytes of ${bytes} arrived`);
  whatsapp.media.files.clear();
}

for (const [name, one] of [
  ["send from a URL", sendOne],
  ["fetch by media.url", fetchOne],
] as const) {
  for (let warm = 0; warm < 2; warm += 1) await one(8 * mebibyte);
  for (let round = 0; round < (rounds ?? 0); round += 1) {
    const { seconds, growthMb } = await measure(() => one((mb ?? 0) * mebibyte));
    print(`${name}, ${mb} MB in ${seconds.toFixed(1)} s: growth of the memory, MB`, growthMb, goalMb);
  }
}
files.close();
