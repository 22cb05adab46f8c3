import puppeteer, { type Browser } from "puppeteer";
import type { ChromePlace } from "./chrome.ts";
import { haveEnded, killAll, processesUsing, treeOf } from "./processes.ts";

/** Options of a browser's start. */
export interface LaunchOptions {
  readonly place: ChromePlace;
  readonly profileDirectory: string;
  readonly temporaryDirectory: string;
  readonly sandbox: boolean;
  /** Further arguments of Chromium. */
  readonly args: readonly string[];
  readonly timeoutMs: number;
  /** Timeout of each call to the page. */
  readonly protocolTimeoutMs: number;
  /** Cancels the launch. */
  readonly signal: AbortSignal;
}

/** Turns off features that a browser with one page does not need; measured by test/bench/webjs.ts. */
const leanArgs = [
  "--disable-gpu",
  "--enable-features=NetworkServiceInProcess2",
  "--renderer-process-limit=1",
  "--disable-dev-shm-usage",
  "--disable-crash-reporter",
  "--no-pings",
  "--disable-blink-features=AutomationControlled",
  `--disk-cache-size=${32 * 1024 * 1024}`,
];
const viewport = { width: 1024, height: 768 };

/** Time for a closing browser to write everything to disk. */
const closeLimitMs = 3_000;
const killLimitMs = 2_000;

/** A running browser. All its processes end with it. */
export class Chrome {
  readonly browser: Browser;
  #closed: Promise<void> | undefined;

  /** Use `launch`. */
  constructor(browser: Browser) {
    this.browser = browser;
  }

  /** Starts a browser. It is driven through pipes, so that it ends with this process even after a kill -9. */
  static async launch(options: LaunchOptions): Promise<Chrome> {
    const { place, profileDirectory, temporaryDirectory, sandbox, args, timeoutMs, signal } = options;
    const launching = puppeteer.launch({
      executablePath: place.path,
      headless: "shell",
      pipe: true,
      userDataDir: profileDirectory,
      // This process's environment may contain secrets, so none of it is passed on.
      env: { HOME: profileDirectory, TMPDIR: temporaryDirectory, LANG: "C.UTF-8", ...place.env },
      args: [...leanArgs, ...(sandbox ? [] : ["--no-sandbox", "--no-zygote"]), ...args],
      defaultViewport: viewport,
      timeout: timeoutMs,
      protocolTimeout: options.protocolTimeoutMs,
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
      signal,
    });
    const chrome = launching.then((browser) => new Chrome(browser));
    const aborted = Promise.withResolvers<never>();
    const giveUp = () => {
      // If the browser dies at the wrong moment, puppeteer waits forever. A browser that starts late is closed.
      chrome.then((late) => late.close()).catch(() => {});
      aborted.reject(signal.reason);
    };
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      return await Promise.race([chrome, aborted.promise]);
    } catch (error) {
      // Puppeteer kills the browser, but does not wait for its end.
      await killAll(await processesUsing(profileDirectory), killLimitMs);
      throw error;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** Closes the browser, killing it if necessary; resolves when none of its processes is left. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const child = this.browser.process();
    const pid = child?.pid;
    if (child === null || pid === undefined) return;
    const tree = await treeOf(pid);
    const exited = new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve();
      else child.once("exit", () => resolve());
    });
    void this.browser.close().catch(() => {});
    const timer = setTimeout(() => child.kill("SIGKILL"), closeLimitMs);
    await exited;
    clearTimeout(timer);
    if (!(await haveEnded(tree, killLimitMs / 4))) await killAll(tree, killLimitMs);
  }
}
