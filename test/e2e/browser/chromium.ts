import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch } from "puppeteer";
import { findChrome, sandboxObstacle } from "../../../src/adapters/wwebjs/chrome.ts";

/** Starts WEBJS's Chromium with a temporary profile, and with these arguments. */
export async function openChromium(extraArguments: readonly string[] = []) {
  const chrome = await findChrome({ searchPath: process.env.PATH });
  if (chrome === undefined) throw new Error("no Chromium found; install the browser that WEBJS uses");
  await chrome.ready();
  const userDataDir = await mkdtemp(join(tmpdir(), "sessiond-browser-"));
  const args = (await sandboxObstacle()) === undefined ? [] : ["--no-sandbox"];
  const browser = await launch({
    executablePath: chrome.path,
    env: { ...process.env, ...chrome.env },
    headless: "shell",
    userDataDir,
    args: [...args, ...extraArguments],
  });
  return {
    browser,
    async [Symbol.asyncDispose]() {
      await browser.close();
      await rm(userDataDir, { recursive: true, force: true });
    },
  };
}
