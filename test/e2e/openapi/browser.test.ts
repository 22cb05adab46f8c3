import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Browser, launch, type Page } from "puppeteer";
import { findChrome, sandboxObstacle } from "../../../src/adapters/wwebjs/chrome.ts";
import { startWhatsApp } from "../../emulator/whatsapp.ts";
import { operations } from "../../http/openapi/operations.ts";
import { ServerProcess } from "../server-process.ts";

const key = "the-key";
/** Timeout of browser actions, long enough for a busy machine. */
const timeoutMs = 100_000;
const login = { username: "admin", password: "secret" };

/** Operation on the page, opened for "Try it out". */
class TriedOperation {
  readonly #page: Page;
  readonly #selector: string;

  private constructor(page: Page, selector: string) {
    this.#page = page;
    this.#selector = selector;
  }

  static async open(page: Page, id: string): Promise<TriedOperation> {
    const [tag] = (operations.get(id)?.object.tags as string[] | undefined) ?? [];
    const selector = `#operations-${tag}-${id}`;
    await page.locator(`${selector} .opblock-summary-control`).click();
    await page.locator(`${selector} .try-out__btn`).click();
    await page.waitForSelector(`${selector} .execute`);
    return new TriedOperation(page, selector);
  }

  /** Sends the request as it is, and returns the status and the shown body of the answer. */
  async execute(): Promise<{ status: string; body: string }> {
    const { page, selector } = { page: this.#page, selector: this.#selector };
    if (await page.$(`${selector} .btn-clear`)) await page.locator(`${selector} .btn-clear`).click();
    await page.waitForSelector(`${selector} .live-responses-table`, { hidden: true });
    await page.locator(`${selector} .execute`).click();
    const row = `${selector} .live-responses-table .response`;
    await page.waitForSelector(row);
    const status = await page.$eval(`${row} .response-col_status`, (cell) => cell.textContent ?? "");
    const bodies = await page.$$eval(`${row} .microlight`, (found) => found.map((one) => one.textContent ?? ""));
    return { status: status.trim(), body: bodies[0] ?? "" };
  }

  /** Returns the media types of the successful answer, the selected one first. */
  mediaTypes(): Promise<string[]> {
    return this.#page.$eval(`${this.#selector} .response-controls select`, (select) => {
      const { value, options } = select as { value: string; options: Iterable<{ value: string }> };
      return [value, ...[...options].map((option) => option.value).filter((one) => one !== value)];
    });
  }

  async chooseMediaType(name: string): Promise<void> {
    await this.#page.select(`${this.#selector} .response-controls select`, name);
  }

  async type(parameter: string, value: string): Promise<void> {
    await this.#page.locator(`${this.#selector} tr[data-param-name="${parameter}"] :is(input, textarea)`).fill(value);
  }

  /** Returns the width of the shown picture after it has loaded. */
  async pictureWidth(): Promise<number> {
    const picture = await this.#page.waitForSelector(`${this.#selector} .live-responses-table img`);
    const width = await picture?.evaluate(async (element) => {
      const image = element as { decode(): Promise<void>; naturalWidth: number };
      await image.decode();
      return image.naturalWidth;
    });
    return width ?? 0;
  }
}

describe("Swagger UI in a browser", () => {
  const stack = new AsyncDisposableStack();
  let server: ServerProcess;
  let browser: Browser;
  let page: Page;
  /** Errors in the page, and its requests to other origins. */
  const faults: string[] = [];

  before(async () => {
    const whatsapp = await startWhatsApp();
    stack.defer(() => whatsapp.close());
    server = await ServerProcess.start({
      SESSIOND_NOWEB_URL: whatsapp.url,
      SESSIOND_HOST: "127.0.0.1",
      WAHA_API_KEY: key,
      WHATSAPP_SWAGGER_USERNAME: login.username,
      WHATSAPP_SWAGGER_PASSWORD: login.password,
    });
    stack.use(server);
    const chrome = await findChrome({ searchPath: process.env.PATH });
    assert.ok(chrome, "there is no Chromium");
    await chrome.ready();
    const args = (await sandboxObstacle()) === undefined ? [] : ["--no-sandbox"];
    browser = await launch({
      executablePath: chrome.path,
      env: { ...process.env, ...chrome.env },
      headless: "shell",
      args,
      timeout: timeoutMs,
    });
    stack.defer(() => browser.close());
    page = await browser.newPage();
    page.setDefaultTimeout(timeoutMs);
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("console", (message) => {
      const isAnswer = message.text().startsWith("Failed to load resource: the server responded");
      if (message.type() === "error" && !isAnswer) faults.push(message.text());
    });
    page.on("request", (request) => {
      if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(server.baseUrl)) faults.push(request.url());
    });
  });
  after(() => stack.disposeAsync());

  it("asks for the login", async () => {
    assert.equal((await page.goto(`${server.baseUrl}/docs`))?.status(), 401);
    await page.authenticate(login);
    assert.equal((await page.goto(`${server.baseUrl}/docs`))?.status(), 200);
  });

  it("shows every call, without errors in the document", async () => {
    await page.goto(`${server.baseUrl}/docs`);
    await page.waitForSelector(".opblock");
    const shown = await page.$$eval(".opblock-summary", (found) =>
      found.map((summary) => {
        const [method, at] = [
          ".opblock-summary-method",
          ".opblock-summary-path, .opblock-summary-path__deprecated",
        ].map((part) => summary.querySelector(part)?.textContent ?? "");
        // Swagger UI puts break marks into long paths.
        return `${method} ${at?.replaceAll("\u200b", "")}`;
      }),
    );
    const documented = [...operations.values()].map((operation) => `${operation.method} ${operation.path}`);
    assert.deepEqual(shown.toSorted(), documented.toSorted());
    assert.equal(await page.$(".errors-wrapper .error"), null);
  });

  it("tries GET /ping without a key, and other calls with one", async () => {
    const ping = await (await TriedOperation.open(page, "ping")).execute();
    assert.deepEqual([ping.status, JSON.parse(ping.body)], ["200", { message: "pong" }]);

    const create = await TriedOperation.open(page, "createSession");
    assert.equal((await create.execute()).status, "401");
    await page.locator(".btn.authorize").click();
    await page.locator(".auth-container input").fill(key);
    await page.locator(".auth-btn-wrapper .authorize").click();
    await page.locator(".btn-done").click();
    const { status, body } = await create.execute();
    assert.equal(status, "201");
    const session: { name: string; status: string } = JSON.parse(body);
    assert.deepEqual([session.name, session.status], ["default", "STARTING"]);

    const list = await TriedOperation.open(page, "listSessions");
    assert.equal(JSON.parse((await list.execute()).body).length, 1);
    for (const [value, found] of [
      ["123", 1],
      ["456", 0],
    ] as const) {
      await list.type("metadata", JSON.stringify({ "metadata.user.id": value }));
      assert.equal(JSON.parse((await list.execute()).body).length, found);
    }
  });

  it("shows the QR code in the selected media type", async () => {
    const qr = await TriedOperation.open(page, "getQrBody");
    assert.deepEqual(await qr.mediaTypes(), ["image/png", "application/json"]);
    assert.equal((await qr.execute()).status, "200");
    assert.ok((await qr.pictureWidth()) > 100);
    await qr.chooseMediaType("application/json");
    const json = await qr.execute();
    assert.equal(JSON.parse(json.body).mimetype, "image/png");
    await qr.chooseMediaType("image/png");
    assert.equal((await qr.execute()).status, "200");
    assert.ok((await qr.pictureWidth()) > 100);
  });

  it("shows the beginning of an endless stream", async () => {
    const stream = await TriedOperation.open(page, "statusStream");
    await stream.type("session", "default");
    const { status, body } = await stream.execute();
    assert.equal(status, "200");
    assert.match(body, /data: .*SCAN_QR_CODE/);
  });

  it("loads nothing from other origins, and obeys its security policy", () => {
    assert.deepEqual(faults, []);
  });
});
