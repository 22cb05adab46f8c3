import assert from "node:assert/strict";
import type { Browser, BrowserContext, Page } from "puppeteer";
import { openChromium } from "../e2e/browser/chromium.ts";
import { openHarness } from "../e2e/harness.ts";

const timeoutMs = 60_000;

/** A tab with the dashboard, used as a person does: by what can be seen and pressed. */
export class DashboardPage {
  readonly page: Page;
  /** Errors in the page, violations of its security policy, and requests to other places than the server. */
  readonly faults: string[] = [];
  /** Paths of the requests so far. */
  readonly requests: string[] = [];

  private constructor(page: Page, serverUrl: () => string) {
    this.page = page;
    page.setDefaultTimeout(timeoutMs);
    page.on("pageerror", (error) => this.faults.push(String(error)));
    page.on("console", (message) => {
      // The browser logs each failed request, also those that a test causes, and headers that need TLS.
      const isAnswer = /Failed to load resource|net::ERR_|Opener-Policy header has been ignored/.test(message.text());
      if (message.type() === "error" && !isAnswer) this.faults.push(message.text());
    });
    page.on("request", (request) => {
      const url = new URL(request.url());
      this.requests.push(url.pathname);
      if (url.protocol !== "blob:" && url.origin !== new URL(serverUrl()).origin) this.faults.push(url.href);
    });
  }

  /** Opens a new tab. `prepare` runs before the page loads. */
  static async open(
    browser: Browser | BrowserContext,
    serverUrl: () => string,
    fragment = "",
    prepare: (page: Page) => Promise<unknown> = async () => {},
    path = "dashboard",
  ): Promise<DashboardPage> {
    const page = await browser.newPage();
    await page.setViewport({ width: 1280, height: 800 });
    await prepare(page);
    const dashboard = new DashboardPage(page, serverUrl);
    await page.goto(`${serverUrl()}/${path}${fragment}`);
    return dashboard;
  }

  /** Presses the button or link with this name. */
  async press(name: string): Promise<void> {
    await this.page.locator(`::-p-aria([name="${name}"])`).click();
  }

  /** Types into the field with this label. Links in the header can have the same name. */
  async type(label: string, text: string): Promise<void> {
    const named = `::-p-aria([name="${label}"])`;
    await this.page.locator(`main ${named}, dialog ${named}`).fill(text);
  }

  /** Waits until an element's text matches. */
  async waitForText(selector: string, pattern: RegExp): Promise<string> {
    try {
      const handle = await this.page.waitForFunction(
        (wanted: string, source: string, flags: string) => {
          const found = [...document.querySelectorAll(wanted)].find(({ textContent }) =>
            new RegExp(source, flags).test(textContent ?? ""),
          );
          return found?.textContent;
        },
        {},
        selector,
        pattern.source,
        pattern.flags,
      );
      return String(await handle.jsonValue());
    } catch (cause) {
      const shown = await this.page.evaluate(() => `${document.visibilityState}: ${document.body.innerText}`);
      const last = this.requests.slice(-8).join(" ");
      throw new Error(`${selector} does not come to match ${pattern}; ${shown.slice(0, 500)}; requests: ${last}`, {
        cause,
      });
    }
  }

  /** Waits until no element matches the selector. */
  async waitUntilGone(selector: string): Promise<void> {
    await this.page.waitForFunction((wanted: string) => document.querySelector(wanted) === null, {}, selector);
  }

  /** Waits until exactly these sessions are in the table. */
  async waitForSessions(names: readonly string[]): Promise<void> {
    await this.page.waitForFunction(
      (wanted: string) =>
        JSON.stringify([...document.querySelectorAll("tr[data-session] a.open")].map((link) => link.textContent)) ===
        wanted,
      {},
      JSON.stringify(names),
    );
  }

  /** Returns true if the picture of a code is shown. */
  async showsCode(): Promise<boolean> {
    return (await this.page.$(".qr img")) !== null;
  }

  /** Returns true if the shown code looks like this PNG, pixel by pixel. */
  shows(png: Uint8Array): Promise<boolean> {
    return this.page.evaluate(async (expected) => {
      const pixelsOf = async (url: string) => {
        const image = new Image();
        image.src = url;
        await image.decode();
        const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
        const context = canvas.getContext("2d");
        context?.drawImage(image, 0, 0);
        return String(context?.getImageData(0, 0, canvas.width, canvas.height).data);
      };
      const shown = document.querySelector<HTMLImageElement>(".qr img");
      const bytes = Uint8Array.from(atob(expected), (byte) => byte.charCodeAt(0));
      const url = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
      return shown !== null && (await pixelsOf(shown.src)) === (await pixelsOf(url));
    }, Buffer.from(png).toString("base64"));
  }

  /** Makes the page believe that its tab is in the background, or in front again. */
  async setHidden(isHidden: boolean): Promise<void> {
    await this.page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, isHidden);
  }

  assertFaultless(): void {
    assert.deepEqual(this.faults, []);
  }
}

/** Starts a server with an emulated WhatsApp, and a browser with these arguments. */
export async function openDashboardHarness(env: Record<string, string> = {}, browserArguments: readonly string[] = []) {
  await using stack = new AsyncDisposableStack();
  const harness = stack.use(await openHarness(env));
  const { browser } = stack.use(await openChromium(browserArguments));
  const opened = stack.move();
  return {
    ...harness,
    browser,
    open: (fragment = "", prepare?: (page: Page) => Promise<unknown>) =>
      DashboardPage.open(browser, () => harness.server.baseUrl, fragment, prepare),
    /** Closes the tabs of a test. In a headless browser all tabs are visible, so they hold connections. */
    async closeTabs(): Promise<void> {
      const [first, ...others] = await browser.pages();
      await first?.goto("about:blank");
      await Promise.all(others.map((page) => page.close()));
    },
    /** Returns the code to scan now. */
    async qrValue(session: string): Promise<string> {
      await harness.rest.untilStatus(session, "SCAN_QR_CODE");
      return String((await harness.rest.get(`/api/${session}/auth/qr?format=raw`)).body.value);
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
