import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** The commands of an example, run by a shell, with every line that they print. */
export class RunningExample {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #lines: string[] = [];
  #onLine = () => {};
  #ended = false;

  /** `signal` ends the example, so that a test that runs out of time leaves nothing behind. */
  constructor(commands: string, directory: string, env: Readonly<Record<string, string>>, signal: AbortSignal) {
    // A process group of its own, so that `stop` reaches what the shell has started.
    this.#child = spawn("bash", ["-c", commands], {
      cwd: directory,
      env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? directory, TMPDIR: directory, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    this.#closed = once(this.#child, "close").then(() => {
      this.#ended = true;
      this.#onLine();
    });
    signal.addEventListener("abort", () => void this.stop(), { once: true });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream) createInterface({ input: stream }).on("line", (line) => this.#add(line));
    }
  }

  /** Resolves with the first line that matches, printed before or after the call; rejects if the example ends without one. */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.#lines.find((line) => pattern.test(line));
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`no line matches ${pattern}:\n${this.#lines.join("\n")}`);
      await new Promise<void>((resolve) => {
        this.#onLine = resolve;
      });
    }
  }

  /** Ends all its processes and waits until they are gone. */
  async stop(): Promise<void> {
    if (!this.#ended && this.#child.pid !== undefined) process.kill(-this.#child.pid, "SIGKILL");
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #add(line: string): void {
    this.#lines.push(line);
    this.#onLine();
  }
}
