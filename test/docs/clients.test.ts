import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { openChromium } from "../e2e/browser/chromium.ts";
import { servePages } from "../e2e/browser/pages.ts";
import { openHarness } from "../e2e/harness.ts";
import { RestClient } from "../e2e/rest-client.ts";
import type { Phone } from "../emulator/phone.ts";
import type { WhatsApp } from "../emulator/whatsapp.ts";
import { readExample, writeExample } from "./examples.ts";
import { RunningExample } from "./running-example.ts";

interface Client {
  /** Its section in docs/clients.md. */
  readonly heading: string;
  /** The session that it creates. */
  readonly session: string;
  /** A command that succeeds where its toolchain is installed. */
  readonly probe: readonly [command: string, ...args: string[]];
  readonly pairs: "qr" | "code";
}

const clients: readonly Client[] = [
  { heading: "curl", session: "curl", probe: ["curl", "--version"], pairs: "qr" },
  { heading: "TypeScript", session: "typescript", probe: ["node", "--version"], pairs: "qr" },
  { heading: "Python", session: "python", probe: ["python3", "--version"], pairs: "code" },
  { heading: "Go", session: "go", probe: ["go", "version"], pairs: "qr" },
  { heading: "PHP", session: "php", probe: ["php", "-r", "exit(PHP_VERSION_ID < 80000 ? 1 : 0);"], pairs: "code" },
];

const key = "secret";
/** The number that the examples ask a pairing code for. */
const number = "15551234567";
const pngSignature = Buffer.from("89504e470d0a1a0a", "hex");

/** Why a client cannot be run on this machine. */
const obstacle = ({ probe: [command, ...args] }: Client): string | false =>
  spawnSync(command, args).status === 0 ? false : `${command} is not installed`;

async function openScene(heading: string) {
  await using stack = new AsyncDisposableStack();
  // As the page says: with a key, webhooks to this machine have to be allowed.
  const harness = stack.use(await openHarness({ WAHA_API_KEY: key, SESSIOND_WEBHOOK_ALLOW: "127.0.0.0/8,::1" }));
  const directory = await mkdtemp(join(tmpdir(), "sessiond-docs-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const example = await readExample(heading);
  await writeExample(example, directory);
  const port = new URL(harness.server.baseUrl).port;
  const url = `http://127.0.0.1:${port}`;
  const rest = new RestClient(() => url, { "x-api-key": key });
  const opened = stack.move();
  const { whatsapp } = harness;
  return { whatsapp, directory, example, url, rest, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address ? address.port : 0;
}

async function sendTo(whatsapp: WhatsApp, phone: Phone, text: string): Promise<string> {
  const sender = whatsapp.phone();
  await sender.sendTextTo(phone.number, text);
  return sender.number;
}

describe("docs/clients.md", () => {
  for (const client of clients) {
    const { heading, session, pairs } = client;
    it(`${heading}: pairs a session, sees it WORKING and receives a message`, { skip: obstacle(client) }, async ({
      signal,
    }) => {
      await using scene = await openScene(heading);
      const { whatsapp, directory, example, url, rest } = scene;
      const env = { SESSIOND_URL: url, SESSIOND_KEY: key, HOOK: `127.0.0.1:${await freePort()}` };
      await using running = new RunningExample(example.run, directory, env, signal);

      const phone = whatsapp.phone(number);
      if (pairs === "qr") {
        await running.line(/^Scan qr\.png/);
        const picture = await readFile(join(directory, "qr.png"));
        assert.deepEqual(picture.subarray(0, pngSignature.length), pngSignature);
        await phone.scan(await rest.qrCode(session));
      } else {
        const line = await running.line(/^Pairing code: [A-Z0-9]{4}-[A-Z0-9]{4}$/);
        await phone.enterCode(line.slice(-9));
      }
      await running.line(/\bWORKING\b/);

      const sender = await sendTo(whatsapp, phone, `hello from ${heading}`);
      const line = await running.line(new RegExp(`hello from ${heading}`));
      assert.ok(line.includes(`${sender}@c.us`), line);
    });
  }

  it("TypeScript: the example has no type errors", async () => {
    const directory = await mkdtemp(join(tmpdir(), "sessiond-docs-"));
    try {
      await writeExample(await readExample("TypeScript"), directory);
      const settings = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2024"];
      const types = ["--types", "node", "--typeRoots", join(directory, "node_modules/@types")];
      await promisify(execFile)("tsc", [...settings, ...types, "client.ts"], { cwd: directory });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it("Browser: pairs a session, sees it WORKING and receives a message", async () => {
    await using scene = await openScene("Browser");
    const { whatsapp, directory, url, rest } = scene;
    await using pages = await servePages(directory);
    await using chromium = await openChromium();
    const page = await chromium.browser.newPage();
    await page.goto(`${pages.url}/index.html?${new URLSearchParams({ server: url, key })}`);
    await page.waitForFunction("document.querySelector('#qr').naturalWidth > 100");

    const phone = whatsapp.phone(number);
    await phone.scan(await rest.qrCode("browser"));
    await page.waitForFunction("document.querySelector('#status').textContent === 'WORKING'");
    const sender = await sendTo(whatsapp, phone, "hello from the browser");
    const shown = await page.waitForSelector("#messages li");
    assert.equal(await shown?.evaluate((item) => item.textContent), `${sender}@c.us: hello from the browser`);
  });
});
