import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { ServerProcess } from "../e2e/server-process.ts";
import { startControl } from "../emulator/control.ts";
import { startWhatsApp } from "../emulator/whatsapp.ts";
import { HttpClient } from "./http-client.ts";
import { type Phones, phonesAt } from "./phones.ts";
import type { TargetKind } from "./rest-case.ts";

/** Settings of the suite, read once from the environment. README.md lists the variables. */
export const settings = {
  baseUrl: process.env.WAHA_BASE_URL || undefined,
  // A server that the suite starts has a key; without one it answers no pages of other origins.
  apiKey: process.env.WAHA_API_KEY || (process.env.WAHA_BASE_URL ? undefined : "waha-suite-key"),
  scanUrl: process.env.WAHA_SUITE_SCAN_URL || undefined,
  kind: targetKind(process.env.WAHA_SUITE_TARGET),
};

/** Reason why cases with a phone cannot run; undefined if they can. */
export const noPhone =
  settings.baseUrl === undefined || settings.scanUrl !== undefined
    ? undefined
    : "needs a phone: set WAHA_SUITE_SCAN_URL to the control address of an emulated WhatsApp";

/** Reason why cases with a key cannot run; undefined if they can. */
export const noKey = settings.apiKey === undefined ? "needs a server with a key: set WAHA_API_KEY" : undefined;

/** Reason why webhooks cannot reach this suite; undefined if they can. */
export const noWebhooks =
  settings.baseUrl === undefined || /^(127\.|localhost$|\[::1\]$)/.test(new URL(settings.baseUrl).hostname)
    ? undefined
    : "needs a server on this machine, which can reach the suite's webhook receiver";

/** Reason why the suite cannot know the server's other sessions; undefined if it started the server. */
export const notOwnServer =
  settings.baseUrl === undefined ? undefined : "needs a server of the suite's own: WAHA_BASE_URL must not be set";

/** Server under test, with phones that can be linked to it. The caller must `close` it. */
export class Target {
  readonly client: HttpClient;
  /** Client of the same server without a key. */
  readonly anonymous: HttpClient;
  readonly phones: Phones | undefined;
  readonly #resources: AsyncDisposableStack;

  private constructor(baseUrl: string, phones: Phones | undefined, resources: AsyncDisposableStack) {
    this.client = new HttpClient(baseUrl, settings.apiKey === undefined ? {} : { "x-api-key": settings.apiKey });
    this.anonymous = new HttpClient(baseUrl);
    this.phones = phones;
    this.#resources = resources;
  }

  /** Opens the server at WAHA_BASE_URL, or starts one against an emulated WhatsApp. */
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

  /** Returns an unused name. */
  newName(): string {
    return `waha_suite_${randomBytes(8).toString("hex")}`;
  }

  /** Polls until the session has the status, since WAHA has no way to wait. */
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

  /** Removes sessions, whether they exist or not. */
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
  throw new Error(`WAHA_SUITE_TARGET must be sessiond or waha, not ${name}`);
}
