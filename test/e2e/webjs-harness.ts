import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { treeOf } from "../../src/adapters/wwebjs/processes.ts";
import { chromePath } from "../adapters/wwebjs/webjs-fixture.ts";
import { startWhatsAppWeb } from "../emulator/wwebjs/whatsapp-web.ts";
import { RestClient } from "./rest-client.ts";
import { ServerProcess } from "./server-process.ts";
import { WebhookInbox } from "./webhook-inbox.ts";

/** Opens a server whose default engine is WEBJS, a receiver of its webhooks, and an emulated WhatsApp Web. */
export async function openWebjsHarness(env: Record<string, string> = {}) {
  await using stack = new AsyncDisposableStack();
  const whatsapp = await startWhatsAppWeb();
  stack.defer(() => whatsapp.close());
  const hook = stack.use(await WebhookInbox.open());
  const server = stack.use(
    await ServerProcess.start({
      WHATSAPP_DEFAULT_ENGINE: "WEBJS",
      WAHA_WEBJS_PUPPETER_ARGS: whatsapp.chromeArgs.join(" "),
      SESSIOND_CONNECTS_PER_SECOND: "200",
      SESSIOND_CHROME_PATH: chromePath ?? "",
      ...env,
    }),
  );
  const rest = new RestClient(() => server.baseUrl);
  const config = { webhooks: [{ url: hook.url, events: ["session.status", "message", "message.any"] }] };
  const opened = stack.move();
  return {
    whatsapp,
    hook,
    server,
    rest,
    config,
    browsers: new ServerBrowsers(server),
    /** Scans the session's code, and resolves when it is WORKING. */
    async pair(session: string, phone = whatsapp.phone()) {
      await phone.scan(await rest.qrCode(session));
      await rest.untilStatus(session, "WORKING");
      return phone;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** Browser processes and files of one server. */
export class ServerBrowsers {
  readonly #server: ServerProcess;

  constructor(server: ServerProcess) {
    this.#server = server;
  }

  /** Returns the profiles of all sessions: the values of --user-data-dir. */
  async profiles(): Promise<string[]> {
    const directory = join(this.#server.directory, "sessions", "webjs");
    const sessions = (await readdir(directory).catch(() => [])).map((name) => join(directory, name));
    const profiles = sessions.map(async (session) => (await readdir(session)).map((name) => join(session, name)));
    return (await Promise.all(profiles)).flat();
  }

  /**
   * Returns all live browser processes of this server, orphans included: those that name its profiles, and their
   * descendants.
   */
  async processes(): Promise<number[]> {
    const own = `--user-data-dir=${this.#server.directory}/`;
    const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
    const roots: number[] = [];
    for (const pid of pids) if ((await commandLine(pid)).includes(own)) roots.push(pid);
    const trees = await Promise.all([...roots, ...this.#own()].map(treeOf));
    return [...new Set(trees.flat())].filter((pid) => pid !== this.#server.pid);
  }

  /** Returns the first process of the only running browser. */
  async main(): Promise<number | undefined> {
    const processes = await this.processes();
    for (const pid of processes) if (!(await commandLine(pid)).includes("--type=")) return pid;
    return undefined;
  }

  /** Returns the processes of pages: the shown one, and any that Chromium holds ready. */
  async renderers(): Promise<number[]> {
    const renderers: number[] = [];
    for (const pid of await this.processes()) {
      if ((await commandLine(pid)).includes("--type=renderer")) renderers.push(pid);
    }
    return renderers;
  }

  #own(): number[] {
    return this.#server.pid === undefined ? [] : [this.#server.pid];
  }
}

const commandLine = (pid: number) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
