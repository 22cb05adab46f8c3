import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { startWhatsApp, type WhatsApp } from "../emulator/whatsapp.ts";
import { cpuSeconds } from "./memory.ts";

const program = new URL("./bare-baileys.ts", import.meta.url).pathname;

/** Options of a start: signatures as sessiond makes them; keys written without a sync; texts sent when the benchmark asks for them. */
export type BareOption = "fast-curve" | "unsynced" | "sends";

/** Texts for the program to send: in all chats at once, in each one after another. */
export interface BareSends {
  readonly chats: readonly { readonly session: string; readonly jid: string }[];
  readonly count: number;
}

/** A start of bare Baileys with saved logins, up to the last open connection. */
export interface BareRun {
  readonly pid: number;
  readonly seconds: number;
  readonly cpu: number;
  /** Sends texts; resolves when WhatsApp's server has acknowledged all of them. The start must have had the option "sends". */
  send(sends: BareSends): Promise<void>;
  end(): Promise<void>;
}

/** Sessions on bare Baileys with keys in SQLite, with an emulated WhatsApp of their own. The caller must declare it with `await using`. */
export class BareSessions {
  readonly whatsapp: WhatsApp;
  readonly #directory: string;

  private constructor(whatsapp: WhatsApp, directory: string) {
    this.whatsapp = whatsapp;
    this.#directory = directory;
  }

  /** Pairs this many sessions. */
  static async pair(count: number): Promise<BareSessions> {
    const sessions = new BareSessions(await startWhatsApp(), await mkdtemp(join(tmpdir(), "sessiond-bench-")));
    const run = await sessions.start(count, {}, "fast-curve");
    await run.end();
    return sessions;
  }

  /** Starts this many of the sessions; resolves when all are open. */
  async start(count: number, env: Record<string, string>, ...options: readonly BareOption[]): Promise<BareRun> {
    const startedAt = performance.now();
    const args = [program, this.whatsapp.url, join(this.#directory, "keys.sqlite"), String(count)];
    const child = spawn(process.execPath, [...args, ...options], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ["ignore", "pipe", "inherit", ...(options.includes("sends") ? (["ipc"] as const) : [])],
    });
    const exited = once(child, "exit");
    if (!child.stdout) throw new Error("the program has no output");
    for await (const line of createInterface({ input: child.stdout })) {
      const [word, , ...text] = line.split(" ");
      if (word === "qr") void this.whatsapp.phone().scan(text.join(" "));
      if (word === "open") break;
    }
    const pid = child.pid ?? 0;
    return {
      pid,
      seconds: (performance.now() - startedAt) / 1_000,
      cpu: await cpuSeconds(pid),
      send: async (sends) => {
        child.send(sends);
        await once(child, "message");
      },
      end: async () => {
        child.kill("SIGTERM");
        await exited;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.whatsapp.close();
    await rm(this.#directory, { recursive: true });
  }
}
