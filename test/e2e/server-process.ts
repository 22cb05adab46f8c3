import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { nodeOptions } from "../support/node-options.ts";

const main = new URL("../../src/main.ts", import.meta.url).pathname;

/** A sessiond process as a user starts it, with data in a directory that outlives the process. */
export class ServerProcess {
  readonly directory: string;
  /** Log lines so far, of all lives. */
  readonly log: string[] = [];
  readonly #env: Readonly<Record<string, string>>;
  readonly #entry: string;
  readonly #closed = new WeakSet<ChildProcess>();
  #child: ChildProcess | undefined;
  #baseUrl = "";

  private constructor(directory: string, env: Readonly<Record<string, string>>, entry: string) {
    this.directory = directory;
    this.#env = env;
    this.#entry = entry;
  }

  /**
   * Starts a server on a free port with these variables and only the environment that Node needs. The caller must
   * `stop` it, or declare it with `await using`. `entry`: a file that starts it in place of main.ts.
   */
  static async start(env: Readonly<Record<string, string>> = {}, entry = main): Promise<ServerProcess> {
    const server = new ServerProcess(await mkdtemp(join(tmpdir(), "sessiond-e2e-")), env, entry);
    try {
      await server.restart();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Current address. The port changes with each restart. */
  get baseUrl(): string {
    return this.#baseUrl;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the server again on the same directory, with these additional variables, and waits until it listens. */
  async restart(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const child = spawn(process.execPath, [...nodeOptions, this.#entry], {
      cwd: this.directory,
      env: {
        PATH: process.env.PATH ?? "",
        PORT: "0",
        WAHA_LOCAL_STORE_BASE_DIR: join(this.directory, "sessions"),
        WAHA_LOG_FORMAT: "JSON",
        WAHA_PRINT_QR: "false",
        ...this.#env,
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    const listening = Promise.withResolvers<string>();
    // Unlike at "exit", its last output has been read by then.
    child.once("close", (code, signal) => {
      this.#closed.add(child);
      listening.reject(new Error(`the server ended: ${code ?? signal}\n${this.log.join("\n")}`));
    });
    createInterface({ input: child.stderr }).on("line", (line) => this.log.push(line));
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.log.push(line);
      const url = /"url":"([^"]+)"/.exec(line)?.[1];
      if (url && line.includes('"msg":"listening"')) listening.resolve(url);
    });
    this.#baseUrl = await listening.promise;
  }

  /** Sends the process a signal, waits until it ends, and returns its exit code or signal. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<number | NodeJS.Signals | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return null;
    child.kill(signal);
    return this.ended();
  }

  /** Suspends the process, as a machine that hangs does, until `resume` or `kill`. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Waits until the process ends, and returns its exit code or signal. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    const child = this.#child;
    if (!child) return null;
    // The last lines have been read by then.
    if (!this.#closed.has(child)) await once(child, "close");
    return child.exitCode ?? child.signalCode;
  }

  /** Stops the server in order and removes its data. */
  async stop(): Promise<void> {
    await this.kill("SIGTERM");
    await rm(this.directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
