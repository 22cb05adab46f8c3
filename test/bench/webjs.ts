/**
 * Memory of WEBJS sessions: PSS of all browser processes, for this project's engines and for plain whatsapp-web.js,
 * both logged in to the emulated WhatsApp Web. Linux only.
 *
 *   node test/bench/webjs.ts [--chrome=/path] [--plain-chrome=/path] [--sessions=1,3,6] [--settle=10]
 *
 * `--chrome` is the engines' browser, by default the headless shell from npm. `--plain-chrome` is the browser of plain
 * whatsapp-web.js, by default a full Chrome or Chromium from puppeteer or the system, else the engines' own. The
 * emulated page is tiny, so the figures are lower bounds: the memory of WhatsApp's own page comes on top of both.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import puppeteer from "puppeteer";
import wwebjs from "whatsapp-web.js";
import { systemClock } from "../../src/adapters/node/system.ts";
import { findChrome } from "../../src/adapters/wwebjs/chrome.ts";
import { createWwebjsFactory } from "../../src/adapters/wwebjs/factory.ts";
import { packedChrome } from "../../src/adapters/wwebjs/packed-chrome.ts";
import { treeOf } from "../../src/adapters/wwebjs/processes.ts";
import { EngineSession } from "../contract/engine-session.ts";
import { startWhatsAppWeb, type WhatsAppWeb } from "../emulator/wwebjs/whatsapp-web.ts";

/** Logs a session in and resolves with the function that closes it. */
type Start = (directory: string, whatsapp: WhatsAppWeb) => Promise<() => Promise<unknown>>;

const { values } = parseArgs({
  options: {
    chrome: { type: "string" },
    "plain-chrome": { type: "string" },
    sessions: { type: "string", default: "1,3,6" },
    settle: { type: "string", default: "10" },
  },
});
const chrome =
  (await (values.chrome ? findChrome({ chromePath: values.chrome }) : packedChrome())) ?? (await findChrome());
if (!chrome) throw new Error("no browser found: install one or set --chrome");
await chrome.ready();
const plainChrome = values["plain-chrome"] ?? (await fullChrome()) ?? chrome.path;

/** Returns the browser that whatsapp-web.js runs by default. */
async function fullChrome(): Promise<string | undefined> {
  const installed = (await findChrome({ chromePath: puppeteer.executablePath() }))?.path;
  if (installed) return installed;
  const system = await findChrome({ searchPath: process.env.PATH });
  return system && !/headless-shell|sessiond-chromium/.test(system.path) ? system.path : undefined;
}

const ours: Start = async (profilesDirectory, whatsapp) => {
  const extraArgs = whatsapp.chromeArgs;
  const factory = createWwebjsFactory({ clock: systemClock, chromePath: chrome.path, profilesDirectory, extraArgs });
  const session = new EngineSession(factory);
  await session.openLoggedIn(({ seen }) => {
    const qr = seen.findLast((event) => event.type === "qr");
    return whatsapp.phone().scan(qr?.value ?? "");
  });
  return () => session.close();
};

const plain: Start = async (dataPath, whatsapp) => {
  const client = new wwebjs.Client({
    authStrategy: new wwebjs.LocalAuth({ dataPath }),
    // A page from the cache would not be allowed to connect to loopback.
    webVersionCache: { type: "none" },
    puppeteer: { executablePath: plainChrome, args: ["--no-sandbox", ...whatsapp.chromeArgs] },
  });
  const ready = new Promise((resolve) => client.once("ready", resolve));
  client.on("qr", (value: string) => {
    if (!value.startsWith("undefined")) void whatsapp.phone().scan(value);
  });
  await client.initialize();
  await ready;
  return () => client.destroy();
};

async function measure(start: Start, count: number): Promise<number> {
  // Plain whatsapp-web.js never becomes ready when the page is faster than the library.
  const whatsapp = await startWhatsAppWeb({ syncMs: 2_000 });
  const directory = await mkdtemp(join(tmpdir(), "webjs-bench-"));
  const closers: (() => Promise<unknown>)[] = [];
  try {
    for (let i = 0; i < count; i += 1) closers.push(await start(join(directory, String(i)), whatsapp));
    await sleep(Number(values.settle) * 1000);
    return await browserMegabytes();
  } finally {
    await Promise.all(closers.map((close) => close()));
    await whatsapp.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Returns the PSS of all descendants of this process, MB. */
async function browserMegabytes(): Promise<number> {
  const pids = (await treeOf(process.pid)).filter((pid) => pid !== process.pid);
  const sizes = await Promise.all(
    pids.map(async (pid) => {
      const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
      return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0) / 1024;
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

console.log(`engines: ${chrome.path}\nplain whatsapp-web.js: ${plainChrome}\n`);
console.log("sessions | engines, MB each | plain, MB each | ratio");
for (const count of values.sessions.split(",").map(Number)) {
  const each = (await measure(ours, count)) / count;
  const plainEach = (await measure(plain, count)) / count;
  const [a, b] = [each, plainEach].map((size) => size.toFixed(0).padStart(4));
  console.log(`${String(count).padStart(8)} | ${a} | ${b} | ${(each / plainEach).toFixed(2)}`);
}
