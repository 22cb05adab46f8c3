import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { createWwebjsFactory } from "../../../src/adapters/wwebjs/factory.ts";
import { processesUsing } from "../../../src/adapters/wwebjs/processes.ts";
import { sessionDirectory } from "../../../src/adapters/wwebjs/profile.ts";
import type { WwebjsOptions } from "../../../src/adapters/wwebjs/settings.ts";
import type { EngineFactory } from "../../../src/ports/engine.ts";
import { EngineSession, type OpenEngine } from "../../contract/engine-session.ts";
import type { PageLink } from "../../emulator/wwebjs/page-link.ts";
import type { WebPhone } from "../../emulator/wwebjs/web-phone.ts";
import { startWhatsAppWeb, type WhatsAppWeb } from "../../emulator/wwebjs/whatsapp-web.ts";

/** Path of the browser for the tests of WEBJS here and in test/e2e, if another one than found is wanted. */
export const chromePath = process.env.SESSIOND_CHROME_PATH;

/** An emulated WhatsApp Web, and sessions that run against it. */
export class WebjsFixture {
  readonly whatsapp: WhatsAppWeb;
  readonly #directory: string;
  readonly #sessions: WebjsSession[] = [];

  constructor(whatsapp: WhatsAppWeb, directory: string) {
    this.whatsapp = whatsapp;
    this.#directory = directory;
  }

  static async start(): Promise<WebjsFixture> {
    return new WebjsFixture(await startWhatsAppWeb(), await mkdtemp(join(tmpdir(), "webjs-test-")));
  }

  /** Creates an empty session in its own directory. */
  session(options: Partial<WwebjsOptions> = {}): WebjsSession {
    const profilesDirectory = join(this.#directory, String(this.#sessions.length));
    const extraArgs = this.whatsapp.chromeArgs;
    const all = { clock: systemClock, profilesDirectory, extraArgs, chromePath, ...options };
    const session = new WebjsSession(this.whatsapp.phone(), all);
    this.#sessions.push(session);
    return session;
  }

  async close(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.close()));
    await this.whatsapp.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** A session and the phone it is paired with. */
export class WebjsSession extends EngineSession {
  readonly phone: WebPhone;
  readonly factory: EngineFactory;
  readonly options: WwebjsOptions;

  constructor(phone: WebPhone, options: WwebjsOptions) {
    const factory = createWwebjsFactory(options);
    super(factory);
    this.phone = phone;
    this.factory = factory;
    this.options = options;
  }

  /** Opens an engine with other options than the session's own. */
  openWith(options: Partial<WwebjsOptions>): OpenEngine {
    return this.open(createWwebjsFactory({ ...this.options, ...options }));
  }

  /** Opens an engine that is logged in. */
  async working(): Promise<OpenEngine> {
    return this.openLoggedIn(({ seen }) => {
      const qr = seen.findLast((event) => event.type === "qr");
      return this.phone.scan(qr?.value ?? "");
    });
  }

  /** Returns the page that shows this code. */
  pageOf({ whatsapp }: WebjsFixture, qr: string): PageLink {
    const page = whatsapp.pages.find((one) => one.shows(qr.split(",")));
    if (!page) throw new Error("no page shows this code");
    return page;
  }

  get directory(): string {
    return sessionDirectory(this.options.profilesDirectory, "alice");
  }

  /** Returns the session's profiles on disk. */
  async profiles(): Promise<string[]> {
    return (await readdir(this.directory).catch(() => [])).map((name) => join(this.directory, name));
  }

  /** Returns the processes that were started in its profiles. */
  async processes(): Promise<number[]> {
    const profiles = await this.profiles();
    return (await Promise.all(profiles.map(processesUsing))).flat();
  }
}
