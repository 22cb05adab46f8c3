import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { ServerProcess } from "../e2e/server-process.ts";
import { startControl } from "../emulator/control.ts";
import { startWhatsApp } from "../emulator/whatsapp.ts";
import { HttpClient } from "./http-client.ts";
import { type Phones, phonesAt } from "./phones.ts";
import type { TargetKind } from "./rest-case.ts";

/** Where the suite is pointed, read once from the environment; README.md tells the variables. */
export const settings = {
  baseUrl: process.env.WAHA_BASE_URL || undefined,
  // A server of the suite's own has a key: without one it answers to no pages of other origins.
  apiKey: process.env.WAHA_API_KEY || (process.env.WAHA_BASE_URL ? undefined : "waha-suite-key"),
  scanUrl: process.env.WAHA_SUITE_SCAN_URL || undefined,
  kind: targetKind(process.env.WAHA_SUITE_TARGET),
};

/** Why cases that need a phone cannot run; undefined where they can. */
export const noPhone =
  settings.baseUrl === undefined || settings.scanUrl !== undefined
    ? undefined
    : "needs a phone: set WAHA_SUITE_SCAN_URL to the control address of an emulated WhatsApp";

/** Why cases that need a key cannot run; undefined where they can. */
export const noKey = settings.apiKey === undefined ? "needs a server with a key: set WAHA_API_KEY" : undefined;

/** Why webhooks cannot come back to this suite; undefined where they can. */
export const noWebhooks =
  settings.baseUrl === undefined || /^(127\.|localhost$|\[::1\]$)/.test(new URL(settings.baseUrl).hostname)
    ? undefined
    : "needs a server on this machine, which can reach the suite's webhook receiver";

/** Why the suite cannot know what else the server holds; undefined where the server is its own. */
export const notOwnServer =
  settings.baseUrl === undefined ? undefined : "needs a server of the suite's own: WAHA_BASE_URL must not be set";

/** A server to be tried, and the phones that can be linked to it. `close` it. */
export class Target {
  readonly client: HttpClient;
  /** The same server without a key. */
  readonly anonymous: HttpClient;
  readonly phones: Phones | undefined;
  readonly #resources: AsyncDisposableStack;

  private constructor(baseUrl: string, phones: Phones | undefined, resources: AsyncDisposableStack) {
    this.client = new HttpClient(baseUrl, settings.apiKey === undefined ? {} : { "x-api-key": settings.apiKey });
    this.anonymous = new HttpClient(baseUrl);
    this.phones = phones;
    this.#resources = resources;
  }

  /** The server at WAHA_BASE_URL, or one of its own against an emulated WhatsApp. */
  static async open(): Promise<Target> {
    await using resources = new AsyncDisposableStack();
    if (settings.baseUrl !== undefined) {
      const phones = settings.scanUrl === undefined ? undefined : phonesAt(settings.scanUrl);
      return new Target(settings.baseUrl, phones, resources.move());
    }
    const whatsapp = await startWhatsApp();
    resources.defer(() => whatsapp.close());
    const control = await startControl(whatsapp, { port: 0 });
    resources.defer(() => control.close());
    const server = await ServerProcess.start({
      SESSIOND_NOWEB_URL: whatsapp.url,
      SESSIOND_HOST: "127.0.0.1",
      WAHA_LOG_LEVEL: "info",
      ...(settings.apiKey !== undefined && { WAHA_API_KEY: settings.apiKey }),
    });
    resources.use(server);
    return new Target(server.baseUrl, phonesAt(control.url), resources.move());
  }

  /** A name that nobody else uses. */
  newName(): string {
    return `waha_suite_${randomBytes(8).toString("hex")}`;
  }

  /** Waits until the session has the status, by asking again and again: WAHA has nothing to wait on. */
  async untilStatus(session: string, wanted: string, timeoutMs = 60_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const answer = await this.client.send({ method: "GET", path: `/api/sessions/${session}` });
      const status = answer.status === 200 ? String(Object(answer.json()).status) : `HTTP ${answer.status}`;
      if (status === wanted) return;
      if (Date.now() > deadline) throw new Error(`${session} is ${status} and not ${wanted} after ${timeoutMs} ms`);
      await delay(50);
    }
  }

  /** Removes sessions, whether they are there or not. */
  async remove(sessions: Iterable<string>): Promise<void> {
    for (const session of sessions) {
      const { status } = await this.client.send({
        method: "DELETE",
        path: `/api/sessions/${encodeURIComponent(session)}`,
      });
      if (status !== 200) throw new Error(`deleting ${session} was answered with ${status}`);
    }
  }

  async close(): Promise<void> {
    this.client.close();
    this.anonymous.close();
    await this.#resources.disposeAsync();
  }
}

function targetKind(name: string | undefined): TargetKind {
  if (name === "waha") return name;
  if (!name || name === "sessiond") return "sessiond";
  throw new Error(`WAHA_SUITE_TARGET must be sessiond or waha, and is ${name}`);
}
